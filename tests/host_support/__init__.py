"""What the tests against a real ComfyUI share: its installation, its server, its API, and tiny models to run.

Imported as `host_support`: pytest's `pythonpath` names the folder above.
"""

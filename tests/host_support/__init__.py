"""What the tests against a real ComfyUI share: installation, server, API client, prompts, tiny models.

Imported as `host_support`: pytest's `pythonpath` names the folder above.
"""

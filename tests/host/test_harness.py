"""The harness itself, on core's nodes and the probe pack: what it reports is what the server did."""

from __future__ import annotations

import io

import numpy as np
import pytest
from host_support.client import Client, PromptRefusedError
from host_support.fixtures import MakeServer
from host_support.prompts import Json, node, text_to_image
from host_support.server import PACK_FOLDER, PROBE_FOLDER, Server
from PIL import Image


def save(source: str = "decode") -> Json:
    return node("SaveImage", images=[source, 0], filename_prefix="harness")


def test_a_real_sampler_runs_to_saved_pictures_which_differ_by_seed_and_prompt(client: Client) -> None:
    pictures = []
    for text, seed in (("a red house", 1), ("a red house", 2), ("the sea at night", 1)):
        prompt = {**text_to_image(text, seed=seed, count=2), "save": save()}
        run = client.run(prompt, workflow={"nodes": [], "note": "kept"}).expect_success()
        entries = run.outputs["save"]["images"]
        assert run.history()["outputs"]["save"]["images"] == entries
        pictures += [client.image(**entry) for entry in entries]
    for picture in pictures:
        assert picture.size == (64, 64)
        assert max(int(np.ptp(channel)) for channel in np.asarray(picture).transpose(2, 0, 1)) > 60
    assert '"note": "kept"' in pictures[0].info["workflow"]
    assert len({picture.convert("RGB").tobytes() for picture in pictures}) == len(pictures)


def test_progress_and_previews_of_each_step_are_seen(client: Client) -> None:
    run = client.run({**text_to_image(seed=3, steps=4), "save": save()}).expect_success()
    assert run.progress_of("sampler")[-4:] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert run.executed[-3:] == ["sampler", "decode", "save"]
    assert len(run.previews_of("sampler")) == 4
    assert {preview.form for preview in run.previews} == {4}
    assert run.previews[0].image.size == (512, 512)
    kinds = [event.kind for event in run.events]
    assert kinds.index("execution_start") < kinds.index("progress_state") < kinds.index("execution_success")


def test_a_client_that_announces_nothing_gets_previews_in_the_old_form(server: Server) -> None:
    with server.client(preview_metadata=False) as old:
        run = old.run({**text_to_image(seed=4, steps=2), "save": save()}).expect_success()
    assert [(preview.form, preview.node) for preview in run.previews] == [(1, "sampler")] * 2
    assert run.previews[0].image.size == (512, 512)


def test_an_encoded_picture_comes_back_from_the_vae_in_its_own_colours(client: Client) -> None:
    made = node("ProbeImages", sizes="128x64", form="batch", seed=5, channels=3, frames=1)
    vae = text_to_image()["vae"]
    prompt = {
        "vae": vae,
        "made": made,
        "latent": node("VAEEncode", pixels=["made", 0], vae=["vae", 0]),
        "decode": node("VAEDecode", samples=["latent", 0], vae=["vae", 0]),
        "before": save("made"),
        "after": save("decode"),
    }
    run = client.run(prompt).expect_success()
    before, after = (
        np.asarray(client.image(**run.outputs[key]["images"][0]).convert("RGB"), dtype=float)
        for key in ("before", "after")
    )
    assert before.shape == after.shape == (64, 128, 3)
    alike = [np.corrcoef(before[..., i].ravel(), after[..., i].ravel())[0, 1] for i in range(3)]
    assert min(alike) > 0.6


def test_a_second_run_is_served_from_cache_and_its_outputs_are_still_reported(client: Client) -> None:
    prompt = {**text_to_image(seed=6), "save": save()}
    first = client.run(prompt).expect_success()
    second = client.run(prompt).expect_success()
    assert second.executed == []
    assert set(second.cached) == set(prompt)
    assert second.outputs["save"] == first.outputs["save"]


def test_an_error_in_a_node_reaches_the_error_event(client: Client) -> None:
    run = client.run({"fail": node("ProbeFail", message="no such luck")})
    assert not run.succeeded
    assert run.error is not None
    assert (run.error["node_id"], run.error["node_type"]) == ("fail", "ProbeFail")
    assert run.error_message.strip() == "no such luck"
    with pytest.raises(AssertionError, match=r"ProbeFail \(fail\): no such luck"):
        run.expect_success()
    assert run.history()["status"]["status_str"] == "error"


def test_a_prompt_the_server_refuses_raises_with_its_messages(client: Client) -> None:
    prompt = {**text_to_image(), "save": save()}
    prompt["model"]["inputs"]["ckpt_name"] = "absent.safetensors"
    with pytest.raises(
        PromptRefusedError, match=r"Value not in list \(ckpt_name: 'absent.safetensors'"
    ) as refusal:
        client.start(prompt)
    assert refusal.value.status == 400
    assert list(refusal.value.node_errors) == ["model"]


def test_one_refused_output_among_good_ones_is_no_success_unless_asked_for(client: Client) -> None:
    prompt = {
        "good": node("ProbeEcho", label="good"),
        "bad": node("SaveImage", filename_prefix="harness"),
    }
    with pytest.raises(PromptRefusedError, match="bad SaveImage: Required input is missing"):
        client.start(prompt)
    run = client.start(prompt, partial=True).wait().expect_success()
    assert list(run.node_errors) == ["bad"]
    assert run.executed == ["good"]


@pytest.mark.parametrize("slow", ["probe", "sampler"])
def test_cancel_in_the_middle_stops_the_run_and_the_next_one_works(client: Client, slow: str) -> None:
    if slow == "probe":
        prompt = {"slow": node("ProbeSlow", steps=6000, seconds=600.0)}
    else:
        long = text_to_image(seed=7, steps=10000)
        prompt = {**long, "slow": save()}
    run = client.start(prompt)
    run.wait_for("progress")
    client.interrupt()
    run.wait(30)
    assert run.interrupted
    assert not run.succeeded
    assert run.error is None
    client.run({"echo": node("ProbeEcho", label="after")}).expect_success()


def test_waiting_for_what_never_comes_ends_with_the_prompt(client: Client) -> None:
    run = client.start({"echo": node("ProbeEcho", label="x")})
    with pytest.raises(AssertionError, match="ended without the event"):
        run.wait_for("execution_error")


def test_free_leaves_no_model_alive(client: Client) -> None:
    classes = [".OpenAISignatureMMDITWrapper", ".CLIPTextModel", ".TAESD"]
    client.run({**text_to_image(seed=8), "save": save()}).expect_success()
    before = client.post("/probe/gc", {"classes": classes})["classes"]
    assert min(before.values()) > 0
    client.free()
    client.run({"echo": node("ProbeEcho", label="freed")}).expect_success()
    after = client.post("/probe/gc", {"classes": classes, "modules": ["comfy.sd"]})
    assert set(after["classes"].values()) == {0}
    assert "comfy.sd" in after["modules"]
    assert "MainThread" in after["threads"]


def test_the_probes_make_batches_and_lists_and_the_echo_tells_them_apart(client: Client) -> None:
    prompt = {
        "batch": node("ProbeImages", sizes="32x16, 32x16", form="batch", seed=1, channels=4, frames=1),
        "list": node("ProbeImages", sizes="32x16, 8x24", form="list", seed=1, channels=3, frames=2),
        "empty": node("ProbeImages", sizes="", form="batch", seed=1, channels=3, frames=1),
        "latents": node(
            "ProbeLatents",
            count=3,
            form="batch",
            first=0.0,
            channels=16,
            height=2,
            width=4,
            batch_index="5, 6, 9",
            noise_mask=True,
        ),
        "masks": node("ProbeMasks", count=2, form="list", height=8, width=8),
        "scores": node("ProbeScores", scores="0.5, 0.25", form="list"),
        "value": node("ProbeScores", scores="0.5, 0.25", form="one value"),
        "echo": node(
            "ProbeEcho",
            label="all",
            value=["batch", 0],
            value1=["list", 0],
            value2=["empty", 0],
            value3=["latents", 0],
            value4=["masks", 0],
            value5=["scores", 0],
            value6=["value", 0],
        ),
    }
    client.run(prompt).expect_success()
    (record,) = client.get("/probe/echo")["all"]
    assert [each["shape"] for each in record["value"]] == [[2, 16, 32, 4]]
    assert [each["shape"] for each in record["value1"]] == [[2, 16, 32, 3], [2, 24, 8, 3]]
    assert [each["shape"] for each in record["value2"]] == [[0, 64, 64, 3]]
    (latent,) = record["value3"]
    assert latent["samples"]["shape"] == [3, 16, 2, 4]
    assert latent["samples"]["means"] == [0, 1, 2]
    assert latent["batch_index"] == [5, 6, 9]
    assert latent["noise_mask"]["shape"] == [3, 1, 16, 32]
    assert [each["means"] for each in record["value4"]] == [[0.0], [pytest.approx(0.01)]]
    assert record["value5"] == [0.5, 0.25]
    assert record["value6"] == [[0.5, 0.25]]
    assert len(set(record["value"][0]["sha256"])) == 2


def test_pictures_of_a_folder_come_as_they_are(client: Client, server: Server) -> None:
    folder = server.folder("input", "harness-pictures")
    folder.mkdir()
    Image.new("RGB", (20, 10), (255, 0, 0)).save(folder / "a.png")
    Image.new("RGB", (6, 8), (0, 0, 0)).save(folder / "b.png")
    made = node("ProbeImages", sizes="", form="list", seed=0, channels=3, frames=1, folder="harness-pictures")
    client.run({"made": made, "echo": node("ProbeEcho", label="files", value=["made", 0])}).expect_success()
    (record,) = client.get("/probe/echo")["files"]
    assert [each["shape"] for each in record["value"]] == [[1, 10, 20, 3], [1, 8, 6, 3]]
    assert record["value"][0]["means"] == [pytest.approx(1 / 3)]


def test_an_uploaded_picture_can_be_loaded_by_core(client: Client, server: Server) -> None:
    path = server.folder("temp") / "to-upload.png"
    path.parent.mkdir(exist_ok=True)
    Image.new("RGB", (12, 9), (0, 128, 255)).save(path)
    entry = client.upload(path, subfolder="uploads")
    prompt = {"load": node("LoadImage", image=f"uploads/{entry['name']}"), "save": save("load")}
    run = client.run(prompt).expect_success()
    data = client.view(**run.outputs["save"]["images"][0])
    assert Image.open(io.BytesIO(data)).convert("RGB").getpixel((0, 0)) == (0, 128, 255)


def test_the_server_is_where_it_says_and_knows_what_it_loaded(server: Server, client: Client) -> None:
    assert client.get("/system_stats")["system"]["comfyui_version"] == server.comfyui.version
    assert set(server.import_times()) == {PACK_FOLDER, PROBE_FOLDER}
    assert PROBE_FOLDER not in server.failed_imports()
    assert client.features


def test_a_server_of_ones_own_restarts_on_the_same_files_and_breaks_modules_for_packs(
    make_server: MakeServer,
) -> None:
    own = make_server(start=False, pack=False, broken_modules=["matplotlib"], args=["--disable-metadata"])
    pack = own.folder("custom_nodes") / "needs_it.py"
    pack.write_text("import matplotlib\nNODE_CLASS_MAPPINGS = {}\n", encoding="utf-8")
    own.start()
    assert own.failed_imports() == ["needs_it.py"]
    made = node("ProbeImages", sizes="8x8", form="batch", seed=0, channels=3, frames=1)
    with own.client() as first:
        run = first.run({"made": made, "save": save("made")}).expect_success()
        entry = run.outputs["save"]["images"][0]
        assert "prompt" not in first.image(**entry).info
    pid = own.pid
    own.restart(kill=True)
    assert own.pid != pid
    with own.client() as second:
        assert second.image(**entry).size == (8, 8)
        assert second.history(run.prompt_id) == {}
    own.stop()
    assert not own.running

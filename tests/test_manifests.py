"""Manifests: a strict schema, paths that stay at home, bytes that are right or absent."""

import hashlib
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from neurogeom.recordings.fetch import fetch
from neurogeom.recordings.manifests import (
    load_manifest,
    safe_path,
    sha256_of,
    shipped_manifests,
    verify,
)

BYTES = b"spikes" * 1000
SHA = hashlib.sha256(BYTES).hexdigest()


def _content(**asset):
    return {
        "manifest_version": 1,
        "verified": False,
        "dataset": {"id": "toy"},
        "assets": [{"path": "sub-1/a.nwb", "sha256": SHA, "size": len(BYTES), **asset}],
    }


@pytest.fixture
def manifest(tmp_path):
    def written(content=None, **asset):
        path = tmp_path / "toy.yaml"
        path.write_text(yaml.safe_dump(content or _content(**asset)))
        return load_manifest(path)

    return written


@pytest.fixture
def root(tmp_path):
    (tmp_path / "data" / "sub-1").mkdir(parents=True)
    return tmp_path / "data"


# --- schema ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.update(asets=[]), "toy.yaml: unknown key 'asets'"),
        (lambda c: c["assets"][0].update(sha265=SHA), r"assets: \[0\]: unknown key 'sha265'"),
        (lambda c: c["dataset"].update(dandiset=252), "dataset: dandiset is 252; it must be text"),
        (lambda c: c.pop("verified"), "the key 'verified' is missing"),
        (lambda c: c.update(verified="yes"), "verified is 'yes'; it must be true or false"),
        (lambda c: c.update(manifest_version=True), "must be a whole number"),
        (lambda c: c.update(manifest_version=7), "manifest_version 7 is not known"),
        (lambda c: c.update(assets={}), "assets is {}; it must be a list"),
        (lambda c: c.update(assets=c["assets"] * 2), "'sub-1/a.nwb' is listed twice"),
        (lambda c: c["assets"][0].update(sha256="ABC"), "sha256 must be 64 lower-case hex digits"),
        (lambda c: c["assets"][0].update(size=-1), "size -1 is negative"),
        (lambda c: c["assets"][0].update(url="file:///a"), "must begin with https"),
        (lambda c: c.update(align={"event": "cue", "window_s": [0.1]}), "1 entries; 2 are needed"),
        (lambda c: c.update(variables={"a": {"colum": "a"}}), "variables: a: unknown key 'colum'"),
    ],
)
def test_a_wrong_manifest_is_refused_in_one_sentence(manifest, change, words):
    content = _content()
    change(content)
    with pytest.raises(ValueError, match=words) as caught:
        manifest(content)
    assert "\n" not in str(caught.value)


def test_a_repeated_key_is_refused(tmp_path):
    path = tmp_path / "twice.yaml"
    path.write_text("manifest_version: 1\ndataset: {id: a}\ndataset: {id: b}\n")
    with pytest.raises(ValueError, match="key 'dataset' stands twice"):
        load_manifest(path)


def test_yaml_cannot_run_code(tmp_path):
    path = tmp_path / "code.yaml"
    path.write_text("manifest_version: !!python/object/apply:os.getpid []\n")
    with pytest.raises(ValueError, match="not valid YAML"):
        load_manifest(path)


def test_an_unknown_manifest_names_the_shipped_ones():
    with pytest.raises(FileNotFoundError, match="finger_rl"):
        load_manifest("nowhere")


def test_every_shipped_manifest_loads_and_says_what_was_not_verified():
    for path in shipped_manifests().values():
        manifest = load_manifest(path)
        assert manifest.dataset.id == path.stem
        assert manifest.verified or manifest.notes


def test_the_whole_schema_can_be_written(manifest):
    content = _content()
    content["trials"] = {"table": "trials", "where": "correct", "min_per_condition": 5}
    content["variables"] = {"side": {"column": "theta", "levels": {"right": 0, "left": 180}}}
    content["align"] = {"event": "cue", "window_s": [-1, 0.5], "bin_s": None}
    content["signal"] = {"kind": "units", "area": {"sources": ["units.location"], "keep": None}}
    read = manifest(content)
    assert read.align.window_s == (-1.0, 0.5)
    assert read.variables["side"].levels == {"right": 0, "left": 180}
    assert read.signal.area.keep is None


# --- paths ----------------------------------------------------------------------------------------

LEAVING = ["/etc/passwd", "../a", "a/../../b", "a/..", "..", ".", "", "a//b", "./a", "a/", "C:/a"]
LEAVING += ["a\\b", "..\\a", "\\\\server\\a", "c:a", "a\0b"]


@pytest.mark.parametrize("path", LEAVING)
def test_a_path_that_is_not_plain_is_refused(manifest, path):
    with pytest.raises(ValueError, match="not a plain path"):
        manifest(path=path)


@given(st.text(alphabet="ab./\\:", max_size=8))
def test_no_path_leaves_its_folder(tmp_path_factory, text):
    root = tmp_path_factory.getbasetemp() / "home"
    try:
        found = safe_path(root, text)
    except ValueError:
        return
    assert found.resolve() != root.resolve()
    assert found.resolve().is_relative_to(root.resolve())


def test_a_symbolic_link_out_of_the_folder_is_refused(manifest, root, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (root / "sub-2").symlink_to(tmp_path / "elsewhere")
    linked = manifest(path="sub-2/a.nwb")
    with pytest.raises(ValueError, match="symbolic link"):
        list(verify(linked, root))


# --- verify ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asset", "content", "status", "reason"),
    [
        ({}, BYTES, "ok", "sha256 agrees"),
        ({}, None, "missing", "no such file"),
        ({}, BYTES[:-1], "wrong", "5999 bytes, 6000 expected"),
        ({}, BYTES[:-1] + b"x", "wrong", "sha256"),
        ({"sha256": None}, BYTES, "not checked", "no sha256"),
        ({"sha256": None}, b"", "wrong", "0 bytes"),
        ({"sha256": None, "size": None}, BYTES, "not checked", "no size and no sha256"),
    ],
)
def test_a_file_is_ok_only_if_its_hash_agrees(manifest, root, asset, content, status, reason):
    if content is not None:
        (root / "sub-1" / "a.nwb").write_bytes(content)
    (found,) = verify(manifest(**asset), root)
    assert (found.path, found.status) == ("sub-1/a.nwb", status)
    assert reason in found.reason


# --- fetch ----------------------------------------------------------------------------------------


class _Archive(BaseHTTPRequestHandler):
    def do_GET(self):
        kind = self.path.removeprefix("/api/assets/").removesuffix("/download/")
        self.server.asked.append(kind)
        if kind == "gone":
            return self.send_error(404)
        body = {"wrong": b"x" * len(BYTES)}.get(kind, BYTES)
        self.send_response(200)
        self.send_header("Content-Length", str(len(BYTES)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if kind == "short" else body)
        return None

    def log_message(self, *_):
        pass


@contextmanager
def _serving():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Archive)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server, f"http://127.0.0.1:{server.server_port}/api"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def archive():
    with _serving() as served:
        yield served


def _files(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_a_file_that_is_right_arrives_and_is_not_fetched_twice(manifest, tmp_path, archive):
    server, address = archive
    server.asked.clear()
    wanted = manifest(asset_id="right")
    for _ in range(2):
        (found,) = fetch(wanted, tmp_path / "new", archive=address)
        assert found.status == "ok"
    assert server.asked == ["right"]
    assert _files(tmp_path / "new") == ["sub-1/a.nwb"]
    assert sha256_of(tmp_path / "new" / "sub-1" / "a.nwb") == SHA


@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [
        ("wrong", ValueError, "another sha256"),
        ("short", OSError, "cut short"),
        ("gone", OSError, "the server answered 404"),
    ],
)
def test_what_is_not_right_leaves_nothing_behind(manifest, root, archive, kind, error, words):
    with pytest.raises(error, match=words):
        list(fetch(manifest(asset_id=kind), root, archive=archive[1]))
    assert _files(root) == []
    assert [p.name for p in (root / "sub-1").iterdir()] == []


def test_a_wrong_size_is_refused_where_no_hash_is_known(manifest, root, archive):
    wanted = manifest(asset_id="right", sha256=None, size=5)
    with pytest.raises(ValueError, match="sent 6000 bytes for sub-1/a.nwb, 5 expected"):
        list(fetch(wanted, root, archive=archive[1]))
    assert _files(root) == []


def test_a_file_without_hash_arrives_as_not_checked(manifest, root, archive):
    wanted = manifest(url=f"{archive[1]}/assets/right/download/", sha256=None, size=None)
    (found,) = fetch(wanted, root)
    assert found.status == "not checked"
    assert _files(root) == ["sub-1/a.nwb"]


def test_a_wrong_file_in_the_way_is_never_overwritten(manifest, root, archive):
    (root / "sub-1" / "a.nwb").write_bytes(b"mine")
    with pytest.raises(ValueError, match="move it away first"):
        list(fetch(manifest(asset_id="right"), root, archive=archive[1]))
    assert (root / "sub-1" / "a.nwb").read_bytes() == b"mine"


def test_a_server_that_is_not_there_is_one_sentence(manifest, root):
    with _serving() as (_, address):
        pass
    with pytest.raises(OSError, match="no connection"):
        list(fetch(manifest(asset_id="right"), root, archive=address))


def test_a_file_that_cannot_be_located_is_said_before_any_download(manifest, root):
    with pytest.raises(ValueError, match="neither url nor asset_id"):
        list(fetch(manifest(), root))
    with pytest.raises(ValueError, match="names no file yet"):
        list(fetch(load_manifest("finger_rl"), root))

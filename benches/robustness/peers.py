"""Other people's blind watermarks, called on arrays in memory.

None of them knows whether a picture is marked: they read some bits out of every picture. They take and give
colour pictures only; a grey one becomes an RGB picture before and stays one after, for some of them mark the
colour alone.
"""

import contextlib
import importlib.util
import multiprocessing
import sys
import time
import types
from pathlib import Path

import numpy as np

from attacks import rounded


def _timed(call):
    start = time.perf_counter()
    out = call()
    return out, 1000 * (time.perf_counter() - start)


def _swap(picture):
    """RGB to BGR and back."""
    return np.ascontiguousarray(picture[..., ::-1])


def _bits(message):
    return np.unpackbits(np.frombuffer(message, np.uint8))


def _message(bits, count):
    return np.packbits(np.asarray(bits) > 0.5).tobytes() if len(bits) == count else None


@contextlib.contextmanager
def _importing():
    """Lets the peers be imported without torch, and keeps them from choosing how processes start."""
    start_method, stub = multiprocessing.set_start_method, importlib.util.find_spec("torch") is None
    multiprocessing.set_start_method = lambda *_, **__: None
    if stub:
        sys.modules["torch"] = types.ModuleType("torch")
    try:
        yield
    finally:
        multiprocessing.set_start_method = start_method
        if stub:
            del sys.modules["torch"]


class DwtDct:
    """invisible-watermark's dwtDct and dwtDctSvd; `scale` is its strength (36 by default)."""

    package = "invisible-watermark"
    modules = ("imwatermark", "pywt")

    def __init__(self, svd, bits, scale=36):
        with _importing():
            from imwatermark.dwtDctSvd import EmbedDwtDctSvd
            from imwatermark.maxDct import EmbedMaxDct
        self.bits, self.scales = bits, [0, scale, 0]
        self.engine = EmbedDwtDctSvd if svd else EmbedMaxDct

    def embed(self, picture, message):
        bgr = _swap(picture)
        engine = self.engine(list(_bits(message)), wmLen=self.bits, scales=self.scales)
        out, ms = _timed(lambda: engine.encode(bgr))
        return _swap(rounded(out)), ms

    def detect(self, picture):
        bgr = _swap(picture)
        bits, ms = _timed(lambda: self.engine([], wmLen=self.bits, scales=self.scales).decode(bgr))
        return _message(bits, self.bits), ms


class RivaGan:
    """invisible-watermark's rivaGan: its two networks, as its wrapper calls them."""

    package = "invisible-watermark"
    modules = ("imwatermark", "onnxruntime")
    bits = 32

    def __init__(self):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        with _importing():
            import imwatermark
        folder = Path(imwatermark.__file__).parent
        self.encoder, self.decoder = (
            onnxruntime.InferenceSession(folder / f"rivagan_{part}.onnx", options, providers=["CPUExecutionProvider"])
            for part in ("encoder", "decoder")
        )

    @staticmethod
    def _frame(picture):
        frame = _swap(picture).astype(np.float32) / 127.5 - 1
        return np.ascontiguousarray(frame.transpose(2, 0, 1)[None, :, None])

    def embed(self, picture, message):
        inputs = {"frame": self._frame(picture), "data": _bits(message).astype(np.float32)[None]}
        out, ms = _timed(lambda: self.encoder.run(None, inputs)[0])
        bgr = (np.clip(out[0, :, 0], -1, 1).transpose(1, 2, 0) + 1) * 127.5
        return _swap(bgr.astype(np.uint8)), ms

    def detect(self, picture):
        inputs = {"frame": self._frame(picture)}
        out, ms = _timed(lambda: self.decoder.run(None, inputs)[0][0])
        return _message(out > 0.52, self.bits), ms


class BlindWatermark:
    """blind-watermark; `d1` and `d2` are its strength (36 and 20 by default)."""

    package = "blind-watermark"
    modules = ("blind_watermark", "pywt")

    def __init__(self, bits, d1=36, d2=20):
        with _importing():
            import blind_watermark
        blind_watermark.bw_notes.close()
        self.library, self.bits, self.strength = blind_watermark, bits, (d1, d2)

    def _new(self):
        watermark = self.library.WaterMark(password_wm=1, password_img=1)
        watermark.bwm_core.d1, watermark.bwm_core.d2 = self.strength
        return watermark

    def embed(self, picture, message):
        bgr, bits = _swap(picture), [bool(b) for b in _bits(message)]

        def call():
            watermark = self._new()
            watermark.read_img(img=bgr)
            watermark.read_wm(bits, mode="bit")
            return watermark.embed()

        out, ms = _timed(call)
        return _swap(rounded(out)), ms

    def detect(self, picture):
        bgr = _swap(picture).astype(np.float32)
        bits, ms = _timed(lambda: self._new().extract(embed_img=bgr, wm_shape=self.bits, mode="bit"))
        return _message(bits, self.bits), ms


# Each peer as it comes, with its own message length; with as many bits as ours; at our PSNR (about 42 dB).
CODECS = {
    "blind-watermark": (BlindWatermark, (32,)),
    "blind-watermark-80": (BlindWatermark, (80,)),
    "blind-watermark@42": (BlindWatermark, (32, 22, 12)),
    "dwtDctSvd": (DwtDct, (True, 32)),
    "dwtDctSvd-80": (DwtDct, (True, 80)),
    "dwtDctSvd@42": (DwtDct, (True, 32, 20)),
    "dwtDct": (DwtDct, (False, 32)),
    "dwtDct-80": (DwtDct, (False, 80)),
    "dwtDct@42": (DwtDct, (False, 32, 20)),
    "rivaGan": (RivaGan, ()),
}
PACKAGES = ("blind-watermark", "invisible-watermark", "PyWavelets", "onnxruntime")


def is_slow(name):
    return CODECS.get(name, (None,))[0] is RivaGan


def missing(name):
    """The modules that this peer needs and that are not installed."""
    return [m for m in CODECS[name][0].modules if importlib.util.find_spec(m) is None]


def create(name):
    codec, arguments = CODECS[name]
    return codec(*arguments)

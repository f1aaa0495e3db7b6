#!/usr/bin/env python3
"""Compares fqlab's number formats with independent implementations; a development check, not part of `make test`.

    pip install numpy ml_dtypes gguf gfloat
    python3 tests/oracles/check_formats.py build/release/fqlab

Casts: ml_dtypes, on every float32 whose low 8 bits are one of four patterns (2^26 inputs). MX and NVFP4: numpy arithmetic
for the scales, ml_dtypes for the elements. Integers: numpy. gguf: the package gguf's own quantizers and dequantizers.
A disagreement that docs/formats.md explains is counted apart; any other makes the script fail.
"""
import subprocess
import sys

import gfloat
import gfloat.formats
import gguf
import ml_dtypes
import numpy as np

FQLAB = sys.argv[1] if len(sys.argv) > 1 else "build/release/fqlab"
FAILED = []


def fqlab(spec, values, row):
    out = subprocess.run([FQLAB, "formats", "apply", spec, "--row", str(row)], input=values.astype("<f4").tobytes(),
                         capture_output=True, check=True).stdout
    return np.frombuffer(out, dtype="<f4").reshape(values.shape)


def bits(values):
    pattern = values.view(np.uint32).copy()
    pattern[np.isnan(values)] = 0x7FC00000
    return pattern


def compare(name, ours, theirs, explained=None):
    different = bits(np.ascontiguousarray(ours)) != bits(np.ascontiguousarray(theirs.astype(np.float32)))
    known = different & explained if explained is not None else np.zeros_like(different)
    unknown = int((different & ~known).sum())
    verdict = "same" if not different.any() else "explained" if unknown == 0 else "DIFFERENT"
    print(f"{name:34} {ours.size:>10} values  {int(known.sum()):>9} explained  {unknown:>8} unexplained  {verdict}")
    if unknown:
        FAILED.append(name)
        at = np.flatnonzero((different & ~known).ravel())[:3]
        print("   ours", ours.ravel()[at], "theirs", theirs.ravel()[at])


def check_casts():
    high = np.arange(1 << 24, dtype=np.uint32) << np.uint32(8)
    types = {
        "f16": np.float16, "bf16": ml_dtypes.bfloat16,
        "fp8_e4m3:ovf=nan": ml_dtypes.float8_e4m3fn, "fp8_e5m2:ovf=inf": ml_dtypes.float8_e5m2,
        "fp8_e4m3fnuz:ovf=nan": ml_dtypes.float8_e4m3fnuz, "fp8_e5m2fnuz:ovf=nan": ml_dtypes.float8_e5m2fnuz,
        "fp8_e4m3ieee:ovf=inf": ml_dtypes.float8_e4m3, "fp8_e3m4:ovf=inf": ml_dtypes.float8_e3m4,
        "e4m3b11fnuz:ovf=nan": ml_dtypes.float8_e4m3b11fnuz,
        "fp6_e3m2": ml_dtypes.float6_e3m2fn, "fp6_e2m3": ml_dtypes.float6_e2m3fn, "fp4_e2m1": ml_dtypes.float4_e2m1fn,
        "e8m0": ml_dtypes.float8_e8m0fnu,
    }
    for spec, dtype in types.items():
        for low in (0x00, 0x01, 0x80, 0xFF):
            values = (high | np.uint32(low)).view(np.float32)
            with np.errstate(all="ignore"):
                theirs = values.astype(dtype).astype(np.float32)
            explained = None
            if spec.startswith(("fp6", "fp4")):  # formats without NaN: theirs answers a number for NaN and Inf
                explained = ~np.isfinite(values)
            if spec == "e8m0":  # theirs sends ties up whatever the code, and overflow to NaN
                mantissa = (values.view(np.uint32) & 0x7FFFFF) == 0x400000
                # ... and sends everything above 2^-127 and below 2^-126 to 2^-126, however near it is to 2^-127.
                lowest = (values > 2.0**-127) & (values <= 1.5 * 2.0**-127)
                explained = mantissa | lowest | (values > 2.0**127)
            compare(f"{spec} / {low:02x}", fqlab(spec, values, values.size), theirs, explained)


def floor_log2(x):
    return np.frexp(x.astype(np.float64))[1] - 1


def check_mx():
    rng = np.random.default_rng(1)
    values = (rng.standard_normal((4096, 32)) * np.exp2(rng.uniform(-20, 20, (4096, 1)))).astype(np.float32)
    values[7] = 0
    elements = {"mxfp8_e4m3": (ml_dtypes.float8_e4m3fn, 8, 448), "mxfp8_e5m2": (ml_dtypes.float8_e5m2, 15, 57344),
                "mxfp6_e3m2": (ml_dtypes.float6_e3m2fn, 4, 28), "mxfp6_e2m3": (ml_dtypes.float6_e2m3fn, 2, 7.5),
                "mxfp4": (ml_dtypes.float4_e2m1fn, 2, 6)}
    amax = np.abs(values).max(axis=1, keepdims=True).astype(np.float64)
    safe = np.where(amax == 0, 1, amax)
    for spec, (dtype, emax, largest) in elements.items():
        mantissa = {448: 3, 57344: 2, 28: 2, 7.5: 3, 6: 1}[largest]
        exponents = {
            "floor": floor_log2(safe) - emax,
            "ceil": np.ceil(np.log2(safe)) - emax,
            "rceil": np.ceil(np.log2(safe / largest)),
            "even": floor_log2(safe + np.exp2(floor_log2(safe) - mantissa - 1.0)) - emax,
        }
        for rule, exponent in exponents.items():
            scale = np.exp2(exponent)
            theirs = np.clip(values / scale, -largest, largest).astype(np.float32).astype(dtype).astype(np.float64) * scale
            compare(f"{spec}:mx={rule}", fqlab(f"{spec}:mx={rule}", values, 32), theirs.astype(np.float32))
    scale = np.exp2(floor_log2(safe))
    theirs = (np.clip(np.rint(values / scale * 64), -127, 127) / 64 * scale).astype(np.float32) + np.float32(0)
    compare("mxint8", fqlab("mxint8", values, 32), theirs)


def check_mx_against_gfloat():
    """Whole blocks by gfloat, an implementation of the OCP text in Python: scale, elements and their product."""
    rng = np.random.default_rng(5)
    values = (rng.standard_normal((1024, 32)) * np.exp2(rng.uniform(-30, 30, (1024, 1)))).astype(np.float32)
    values[0], values[1, ::2], values[2], values[3], values[4] = 0, 0, 2.0**-140, 3e38, 2.0**-126
    for spec, name in {"mxfp4": "mxfp4_e2m1", **{spec: spec for spec in ("mxfp8_e4m3", "mxfp8_e5m2", "mxfp6_e3m2", "mxfp6_e2m3", "mxint8")}}.items():
        block = getattr(gfloat.formats, f"format_info_{name}")
        theirs = np.stack([gfloat.quantize_block(block, row.astype(np.float64), gfloat.compute_scale_amax) for row in values]).astype(np.float32)
        # Theirs rounds values below -127.5/64 of the scale to the code -128, which has no positive counterpart.
        scale = np.exp2(floor_log2(np.where(values.any(axis=1), np.abs(values).max(axis=1), 1)))[:, None]
        compare(f"{spec} / gfloat", fqlab(spec, values, 32), theirs + np.float32(0) if spec == "mxint8" else theirs,
                values / scale * 64 <= -127.5 if spec == "mxint8" else None)


def check_nvfp4():
    rng = np.random.default_rng(2)
    values = (rng.standard_normal((64, 512)) * np.exp2(rng.uniform(-8, 0, (64, 1)))).astype(np.float32)
    blocks = values.reshape(-1, 16)
    tensor = np.abs(values).max() / np.float32(2688)
    wanted = np.abs(blocks).max(axis=1, keepdims=True) / np.float32(6) / tensor
    scale = np.minimum(wanted, np.float32(448)).astype(ml_dtypes.float8_e4m3fn).astype(np.float32) * tensor
    codes = np.clip(blocks / scale, -6, 6).astype(ml_dtypes.float4_e2m1fn).astype(np.float32)
    compare("nvfp4", fqlab("nvfp4", values, 512), (codes * scale).reshape(values.shape))


def check_integers():
    rng = np.random.default_rng(3)
    values = rng.standard_normal((512, 128)).astype(np.float32)
    for width in (2, 3, 4, 5, 8, 12, 16):
        top = np.float32(2 ** (width - 1) - 1)
        scale = np.abs(values).max(axis=1, keepdims=True) / top
        theirs = np.clip(np.rint(values / scale), -top, top) * scale + np.float32(0)
        compare(f"int{width}:channel:sym", fqlab(f"int{width}:channel", values, 128), theirs)
        low, high = np.minimum(values.min(axis=1, keepdims=True), 0), np.maximum(values.max(axis=1, keepdims=True), 0)
        codes = np.float32(2**width - 1)
        scale = (high - low) / codes
        zero = np.clip(-np.rint(low / scale), 0, codes)
        theirs = (np.clip(np.rint(values / scale) + zero, 0, codes) - zero) * scale + np.float32(0)
        compare(f"uint{width}:channel:asym", fqlab(f"uint{width}:channel", values, 128), theirs)


def check_gguf():
    rng = np.random.default_rng(4)
    values = (rng.standard_normal((64, 512)) * 0.05).astype(np.float32)
    for kind in gguf.GGMLQuantizationType:
        if kind.name in ("F32", "F64") or kind.name.startswith("I") and kind.name[1:].isdigit():
            continue
        try:
            theirs = gguf.quants.dequantize(gguf.quants.quantize(values, kind), kind).astype(np.float32)
        except NotImplementedError:
            continue
        explained = None
        try:
            ours = fqlab(f"gguf:{kind.name.lower()}", values, 512)
        except subprocess.CalledProcessError as error:
            print(f"gguf:{kind.name.lower():29} refused: {error.stderr.decode().strip()}")
            continue
        compare(f"gguf:{kind.name.lower()}", ours, theirs, explained)


check_casts()
check_mx()
check_mx_against_gfloat()
check_nvfp4()
check_integers()
check_gguf()
print("disagreements without an explanation:", ", ".join(FAILED) or "none")
sys.exit(1 if FAILED else 0)

"""Compressed pixels: lossless JPEG by GDCM, and what is said where a decoder is missing."""

import numpy as np
import pytest
from pydicom import dcmread, examples
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder
from pydicom.uid import JPEGLosslessSV1

from monai_minority.data import read_dicom_volume


def write_lossless_jpeg(path):
    gdcm = pytest.importorskip("gdcm", reason="the extra dicom is not installed")
    reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
    reader.SetFileName(str(examples.get_path("mr")))
    assert reader.Read()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    writer.SetFileName(str(path))
    assert writer.Write()


def test_lossless_jpeg_has_the_values_of_the_uncompressed_file(tmp_path):
    write_lossless_jpeg(tmp_path / "mr.dcm")
    assert dcmread(tmp_path / "mr.dcm").file_meta.TransferSyntaxUID == JPEGLosslessSV1
    voxels, plain = (read_dicom_volume([file])[0] for file in (tmp_path / "mr.dcm", examples.get_path("mr")))
    assert np.array_equal(voxels, plain)


def test_a_missing_decoder_names_the_extra(tmp_path, monkeypatch):
    file = dcmread(examples.get_path("mr"))
    file.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    file.PixelData = encapsulate([file.PixelData])
    file["PixelData"].is_undefined_length = True
    file.save_as(tmp_path / "mr.dcm", enforce_file_format=False)
    decoder = get_decoder(JPEGLosslessSV1)
    monkeypatch.setattr(decoder, "_available", {})
    with pytest.raises(
        ValueError, match=r'cannot be decoded .*; pip install "monai-minority\[dicom\]" brings decoders'
    ):
        read_dicom_volume([tmp_path / "mr.dcm"])

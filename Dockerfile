# docker build -t monai_minority .                             CPU
# docker build -t monai_minority --build-arg BASE=IMAGE .      an image with Python 3.11 or newer and PyTorch for your GPU
ARG BASE=python:3.11-slim
FROM ${BASE}
# Index to take PyTorch from, such as the CPU index address of PyTorch's installation page; empty for the default index.
ARG TORCH_INDEX_URL=
ARG EXTRAS=all
# Images with Debian's own Python, such as PyTorch's, let pip install into it only if they are told so.
ENV PIP_NO_CACHE_DIR=1 PIP_BREAK_SYSTEM_PACKAGES=1 OMP_WAIT_POLICY=passive
COPY . /source
RUN python -c "import torch, torchvision" 2>/dev/null \
    || pip install ${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"} torch torchvision
RUN pip install "/source[${EXTRAS}]" && rm -rf /source
WORKDIR /work
ENTRYPOINT ["monai-minority"]
CMD ["demo"]

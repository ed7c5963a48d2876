"""What a pod finds around it: its service account's files, and Kubernetes' API behind TLS."""

import datetime
import ipaddress
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from judgeloop.cluster import own_pod as inside
from judgeloop.runtime.progress import FILE_VARIABLE
from tests.kubernetes_api import KubernetesApi, serving

TOKEN = "of-the-service-account-4711"


class Pod(NamedTuple):
    """The surroundings of a pod of namespace `team`."""

    api: KubernetesApi
    account: Path
    """The folder of the service account; a test may write other files."""


def write_authority(folder: Path) -> ssl.SSLContext:
    """Makes a certificate authority, whose certificate is written to `ca.crt`.

    Returns:
        The settings of a server at 127.0.0.1 that it vouches for.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.datetime.now(datetime.UTC)

    def certificate(name: str, issuer: str, *extensions: x509.ExtensionType) -> x509.Certificate:
        called = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, each)])
                  for each in (name, issuer)]  # fmt: skip
        builder = (
            x509.CertificateBuilder().subject_name(called[0]).issuer_name(called[1])
            .public_key(keys[name].public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
        )  # fmt: skip
        for extension in extensions:
            builder = builder.add_extension(extension, critical=True)
        return builder.sign(keys[issuer], hashes.SHA256())

    keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("authority", "kubernetes")}
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = {
        "ca.crt": certificate(
            "authority", "authority", x509.BasicConstraints(ca=True, path_length=None)
        ),
        "server.crt": certificate("kubernetes", "authority", here),
    }
    for file, each in made.items():
        (folder / file).write_bytes(each.public_bytes(serialization.Encoding.PEM))
    (folder / "server.key").write_bytes(keys["kubernetes"].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ))  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    return context


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pod]:
    """This process as if it were in a pod; nobody is where Kubeflow Pipelines should be."""
    account = tmp_path / "serviceaccount"
    tls = write_authority(account)
    (account / "token").write_text(TOKEN + "\n")
    (account / "namespace").write_text("team")
    state = KubernetesApi()
    state.token = TOKEN
    with serving(state, tls) as port:
        monkeypatch.setattr(inside, "ACCOUNT", account)
        monkeypatch.setenv(inside.IN_POD, "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(port))
        monkeypatch.setenv("KF_PIPELINES_ENDPOINT", "http://127.0.0.1:9")
        monkeypatch.delenv(FILE_VARIABLE, raising=False)
        yield Pod(state, account)

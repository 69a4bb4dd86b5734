//! A certificate authority of the test's own, and a server's certificate for 127.0.0.1 from it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// See the module.
pub(crate) struct Authority {
    folder: tempfile::TempDir,
}

impl Authority {
    /// Makes both with openssl.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path();
        std::fs::write(
            at.join("leaf.cnf"),
            "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n",
        )
        .expect("written");
        let new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        let ca = ["req", "-x509", "-subj", "/CN=own authority", "-days", "2"];
        let ca_files = ["-keyout", "ca.key", "-out", "ca.pem"];
        openssl(at, &[&ca[..], &new_key, &ca_files].concat());
        let request = ["req", "-subj", "/CN=server", "-keyout", "server.key", "-out", "server.csr"];
        openssl(at, &[&request[..], &new_key].concat());
        let sign = ["x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key"];
        let leaf = ["-CAcreateserial", "-days", "2", "-extfile", "leaf.cnf", "-out", "server.pem"];
        openssl(at, &[&sign[..], &leaf].concat());
        Self { folder }
    }

    /// The authority's own certificate.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// What a server answers handshakes with.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        crate::http_link::install_crypto();
        let at = self.folder.path();
        let chain = CertificateDer::pem_file_iter(at.join("server.pem")).expect("a certificate");
        let chain = chain.collect::<Result<Vec<_>, _>>().expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(at.join("server.key")).expect("a key");
        let config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("they fit");
        TlsAcceptor::from(Arc::new(config))
    }
}

#[expect(clippy::disallowed_methods, reason = "tests start real programs")]
fn openssl(folder: &Path, args: &[&str]) {
    let status = Command::new("openssl")
        .args(args)
        .current_dir(folder)
        .stderr(Stdio::null())
        .status()
        .expect("openssl runs; apt-get install openssl");
    assert!(status.success(), "openssl {args:?}");
}

//! TLS 1.3 with raw public keys (RFC 7250): the ed25519 device key itself, on both sides, in
//! place of certificates.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dxos_keys::{DeviceKey, Domain, Signature, Signer};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerMisbehaved,
    SignatureAlgorithm, SignatureScheme,
};

/// The protocol and its version, negotiated in the handshake (ALPN).
pub(crate) const PROTOCOL: &[u8] = b"dxos/1";

/// TLS wants a server name. It is never sent: the key says who the server is.
pub(crate) const SERVER_NAME: &str = "dxos.invalid";

/// A `SubjectPublicKeyInfo` of ed25519 (RFC 8410) up to the key.
const SPKI_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

fn spki(device: &DeviceKey) -> Vec<u8> {
    [&SPKI_PREFIX[..], device.as_bytes()].concat()
}

/// The device key in what a peer presents, `None` when it is anything else.
pub(crate) fn device_of(spki: &[u8]) -> Option<DeviceKey> {
    DeviceKey::from_slice(spki.strip_prefix(&SPKI_PREFIX)?)
}

/// Signs handshakes without ever seeing the secret.
#[derive(Clone)]
struct HandshakeSigner(Arc<dyn Signer>);

impl fmt::Debug for HandshakeSigner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "HandshakeSigner({})", self.0.device().short())
    }
}

impl rustls::sign::Signer for HandshakeSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let signature = self.0.sign(Domain::TlsHandshake, message);
        Ok(signature.as_bytes().to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

impl rustls::sign::SigningKey for HandshakeSigner {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn rustls::sign::Signer>> {
        offered
            .contains(&SignatureScheme::ED25519)
            .then(|| Box::new(self.clone()) as _)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(spki(&self.0.device()).into())
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ED25519
    }
}

/// Checks what a peer presents.
#[derive(Debug)]
pub(crate) struct Verifier {
    /// Who it must be; anyone when `None`.
    expected: Option<DeviceKey>,
    /// Somebody else answered.
    wrong_key: AtomicBool,
}

impl Verifier {
    /// Accepts any device.
    pub(crate) const fn any() -> Self {
        Self {
            expected: None,
            wrong_key: AtomicBool::new(false),
        }
    }

    /// Accepts one device only.
    pub(crate) const fn only(expected: DeviceKey) -> Self {
        Self {
            expected: Some(expected),
            wrong_key: AtomicBool::new(false),
        }
    }

    /// Whether somebody else than expected has answered.
    pub(crate) fn saw_wrong_key(&self) -> bool {
        self.wrong_key.load(Ordering::Relaxed)
    }

    fn check_key(&self, end: &[u8], rest: &[CertificateDer<'_>]) -> Result<(), Error> {
        let device = device_of(end).filter(|_| rest.is_empty());
        let device = device.ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
        if self.expected.is_some_and(|expected| expected != device) {
            self.wrong_key.store(true, Ordering::Relaxed);
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        Ok(())
    }
}

fn check_signature(
    message: &[u8],
    presented: &[u8],
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    if signed.scheme != SignatureScheme::ED25519 {
        return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
    }
    let bad = || Error::InvalidCertificate(CertificateError::BadSignature);
    let device = device_of(presented).ok_or_else(bad)?;
    let signature = signed.signature().try_into().map_err(|_| bad())?;
    device
        .verify(
            Domain::TlsHandshake,
            message,
            &Signature::from_bytes(signature),
        )
        .map_err(|_| bad())?;
    Ok(HandshakeSignatureValid::assertion())
}

/// Only TLS 1.3 is ever negotiated.
fn no_tls12() -> Result<HandshakeSignatureValid, Error> {
    Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into())
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check_key(end_entity, intermediates)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        check_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check_key(end_entity, intermediates)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        check_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

/// What both directions of handshakes are made from.
#[derive(Debug)]
pub(crate) struct Identity {
    provider: Arc<CryptoProvider>,
    key: Arc<CertifiedKey>,
}

impl Identity {
    pub(crate) fn new(signer: Arc<dyn Signer>) -> Self {
        let presented = CertificateDer::from(spki(&signer.device()));
        let key = CertifiedKey::new(vec![presented], Arc::new(HandshakeSigner(signer)));
        Self {
            provider: Arc::new(rustls::crypto::ring::default_provider()),
            key: Arc::new(key),
        }
    }

    /// What a client of this device presents.
    #[cfg(test)]
    pub(crate) fn client_resolver(&self) -> Arc<dyn rustls::client::ResolvesClientCert> {
        Arc::new(AlwaysResolvesClientRawPublicKeys::new(Arc::clone(
            &self.key,
        )))
    }

    /// The accepting side: every client must prove a key; no sessions are resumed and no
    /// early data is taken, so that nothing captured can be replayed.
    pub(crate) fn server(&self) -> Result<QuicServerConfig, String> {
        let resolver = AlwaysResolvesServerRawPublicKeys::new(Arc::clone(&self.key));
        let mut config = rustls::ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| error.to_string())?
            .with_client_cert_verifier(Arc::new(Verifier::any()))
            .with_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.max_early_data_size = 0;
        QuicServerConfig::try_from(config).map_err(|error| error.to_string())
    }

    /// The connecting side, for one connection to whom `verifier` expects.
    pub(crate) fn client(&self, verifier: Arc<Verifier>) -> Result<QuicClientConfig, String> {
        let resolver = AlwaysResolvesClientRawPublicKeys::new(Arc::clone(&self.key));
        let mut config = rustls::ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        config.resumption = Resumption::disabled();
        config.enable_early_data = false;
        config.enable_sni = false;
        QuicClientConfig::try_from(config).map_err(|error| error.to_string())
    }
}

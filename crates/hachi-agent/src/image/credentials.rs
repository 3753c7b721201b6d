//! Who we are to a registry: what `docker login`, `podman login` or `skopeo login` has stored.

use docker_credential::{CredentialRetrievalError as Problem, DockerCredential};
use oci_client::secrets::RegistryAuth;

use super::{Error, Result};

/// The stored credentials for a registry; none means that it is asked as nobody.
///
/// # Errors
/// If a file is there and cannot be read, or a helper program fails.
pub fn find(registry: &str) -> Result<RegistryAuth> {
    for look in [
        docker_credential::get_podman_credential,
        docker_credential::get_credential,
    ] {
        match look(registry) {
            Ok(DockerCredential::UsernamePassword(user, password)) => {
                return Ok(RegistryAuth::Basic(user, password));
            }
            // A token stands in the password's place.
            Ok(DockerCredential::IdentityToken(token)) => {
                return Ok(RegistryAuth::Basic("<token>".to_owned(), token));
            }
            Err(
                Problem::ConfigNotFound
                | Problem::ConfigReadError
                | Problem::NoCredentialConfigured,
            ) => {}
            Err(error) => {
                return Err(Error::Credentials {
                    registry: registry.to_owned(),
                    error: error.to_string().into(),
                });
            }
        }
    }
    Ok(RegistryAuth::Anonymous)
}

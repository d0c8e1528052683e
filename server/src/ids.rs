//! Names nobody can guess: node ids, tokens, request ids.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// A new node id: 22 characters of `[A-Za-z0-9_-]`, as the service's ids a random UUID in
/// base64.
pub(crate) fn node_id() -> String {
    URL_SAFE_NO_PAD.encode(Uuid::new_v4().as_bytes())
}

/// A new object name: 32 hex digits, so that it means the same where file names ignore
/// case.
pub(crate) fn object() -> String {
    Uuid::new_v4().simple().to_string()
}

/// The id of one request, for the reply's header and the log.
pub(crate) fn request_id() -> String {
    Uuid::new_v4().to_string()
}

/// What an error is logged under: a time-based UUID, as the service's are.
pub(crate) fn log_reference() -> String {
    // Of the random node, the bit that says it is no network card's address.
    let mut node = [0; 6];
    node.copy_from_slice(&Uuid::new_v4().as_bytes()[..6]);
    node[0] |= 1;
    Uuid::now_v1(&node).to_string()
}

/// The ETag of a node's state: 11 characters that change with every version.
pub(crate) fn etag(id: &str, version: i64) -> String {
    let digest = Sha256::new()
        .chain_update(id)
        .chain_update(version.to_be_bytes())
        .finalize();
    URL_SAFE_NO_PAD.encode(&digest[..8])
}

/// A new access token. As long as the service's, so that clients meet real sizes.
pub(crate) fn access_token() -> String {
    format!("Atza|{}", random_text(17))
}

/// A new refresh token.
pub(crate) fn refresh_token() -> String {
    format!("Atzr|{}", random_text(17))
}

/// A new client id.
pub(crate) fn client_id() -> String {
    format!("amzn1.application-oa2-client.{}", Uuid::new_v4().simple())
}

/// A new client secret: 64 hex digits.
pub(crate) fn client_secret() -> String {
    hex::encode(Sha256::digest(random_text(3)))
}

/// A new account id. Of the service's shape, which is `amzn1.account.` and capitals and digits.
pub(crate) fn account_id() -> String {
    format!("amzn1.account.A{:X}", Uuid::new_v4().simple())
}

/// A new authorization code: as long as the service's.
pub(crate) fn code() -> String {
    format!("AN{}", &hex::encode(Sha256::digest(random_text(3)))[..32])
}

/// 256 random bits in hex digits, to know a browser by.
pub(crate) fn browser() -> String {
    hex::encode(Sha256::digest(random_text(3)))
}

/// Sixteen random bytes, for a password's hash.
pub(crate) fn salt() -> [u8; 16] {
    let mut salt = [0; 16];
    salt.copy_from_slice(&Sha256::digest(random_text(2))[..16]);
    salt
}

/// What of a secret is stored. Comparing digests tells nothing of how much of a guess was
/// right, however the comparison is done.
pub(crate) fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

/// The text of this many random UUIDs, 122 random bits in each.
fn random_text(uuids: usize) -> String {
    let bytes: Vec<u8> = (0..uuids)
        .flat_map(|_| Uuid::new_v4().into_bytes())
        .collect();
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_shapes_of_the_service() {
        let id = node_id();
        assert_eq!(id.len(), 22);
        assert!(
            matches!(id.as_bytes()[21], b'A' | b'Q' | b'g' | b'w'),
            "{id}"
        );
        assert_eq!(etag(&id, 1).len(), 11);
        assert_ne!(etag(&id, 1), etag(&id, 2));
        assert!((350..2048).contains(&access_token().len()));
        assert_eq!(client_secret().len(), 64);
        assert_eq!(
            Uuid::parse_str(&log_reference()).unwrap().get_version_num(),
            1
        );
    }
}

//! Passwords: hashed slowly, compared slowly, and never many at once.

use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Params, PasswordHash, PasswordHasher as _, PasswordVerifier as _, Version,
    password_hash::SaltString,
};
use tokio::{sync::Semaphore, task};

use crate::{Error, ids};

/// Hashes passwords, a few at a time. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Passwords(Arc<Semaphore>);

impl Passwords {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }

    /// The password as a PHC string.
    ///
    /// # Errors
    /// [`Error::Password`]: it is too short or too long.
    pub(crate) async fn hash(&self, password: &str) -> Result<String, Error> {
        if !(SHORTEST..=LONGEST).contains(&password.len()) {
            return Err(Error::Password {
                at_least: SHORTEST,
                at_most: LONGEST,
            });
        }
        let password = password.to_owned();
        let hash = self.run(move || {
            let salt = SaltString::encode_b64(&ids::salt()).expect("16 bytes are a salt");
            let hash = argon2().hash_password(password.as_bytes(), &salt);
            hash.expect("parameters and lengths are within bounds")
                .to_string()
        });
        Ok(hash.await)
    }

    /// Whether the password is the one of this PHC string. Takes its time where there is none
    /// as well, so that nobody learns that from it.
    pub(crate) async fn verify(&self, password: &str, hash: Option<&str>) -> bool {
        let known = hash.is_some();
        let hash = hash.unwrap_or(NOBODYS).to_owned();
        let password: String = password.chars().take(LONGEST + 1).collect();
        let same = self.run(move || {
            PasswordHash::new(&hash)
                .is_ok_and(|hash| argon2().verify_password(password.as_bytes(), &hash).is_ok())
        });
        same.await && known
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let slot = self.0.clone().acquire_owned().await;
        let slot = slot.expect("the semaphore is never closed");
        let done = task::spawn_blocking(move || {
            // Held to the end of the work, also if nobody waits for it any more.
            let _slot = slot;
            work()
        });
        done.await.expect("hashing does not panic")
    }
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY, PASSES, LANES, None).expect("constants within bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// KiB that one hash takes; with [`PASSES`] and [`LANES`] the first of OWASP's choices for
/// Argon2id. Some 30 ms on a machine of today.
const MEMORY: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Hashes at once: 38 MiB, however many sign in.
const AT_ONCE: usize = 2;

/// Bytes. Shorter ones are guessed.
const SHORTEST: usize = 8;
/// Bytes. A sentence fits; what is longer is a mistake or mischief.
const LONGEST: usize = 1024;

/// A hash of the same cost that no password has.
const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_is_accepted() {
        let passwords = Passwords::new();
        let hash = passwords.hash("correct horse").await.unwrap();
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        assert_ne!(hash, passwords.hash("correct horse").await.unwrap());
        assert!(passwords.verify("correct horse", Some(&hash)).await);
        for wrong in ["correct horsf", "", "correct horse "] {
            assert!(!passwords.verify(wrong, Some(&hash)).await, "{wrong:?}");
        }
        assert!(!passwords.verify("correct horse", None).await);
        assert!(!passwords.verify("x", Some("no hash")).await);
    }

    #[tokio::test]
    async fn passwords_have_a_reasonable_length() {
        let passwords = Passwords::new();
        for wrong in ["", "1234567", &"x".repeat(1025)] {
            let refused = passwords.hash(wrong).await;
            assert!(matches!(refused, Err(Error::Password { .. })));
        }
        passwords.hash("12345678").await.unwrap();
    }

    #[test]
    fn nobodys_hash_costs_as_much_as_others() {
        let hash = PasswordHash::new(NOBODYS).unwrap();
        let params = Params::try_from(&hash).unwrap();
        let ours = (MEMORY, PASSES, LANES);
        assert_eq!((params.m_cost(), params.t_cost(), params.p_cost()), ours);
        assert_eq!(hash.hash.unwrap().len(), 32);
    }
}

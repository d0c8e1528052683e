//! Where users may be sent back to.

use url::{Host, Url};

/// Checks an address that is to be registered.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check(uri: &str) -> Result<(), &'static str> {
    let any_port = uri.contains(ANY_PORT);
    let concrete = uri.replacen(ANY_PORT, ":1", 1);
    let parsed = Url::parse(&concrete).map_err(|_| "it is no absolute address")?;
    if uri.contains('#') {
        return Err("it has a fragment");
    }
    if !uri.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("it has spaces, control characters or letters beyond ASCII");
    }
    if parsed.host_str().is_none() || !parsed.username().is_empty() || parsed.password().is_some() {
        return Err("it must have a host and no user");
    }
    match parsed.scheme() {
        "https" if !any_port => Ok(()),
        "http" if is_loopback(&parsed) => Ok(()),
        "http" | "https" => Err("only addresses on this machine may be http, or have any port"),
        _ => Err("it must be https, or http on this machine"),
    }
}

/// Whether an address that a client names is the one that is registered: byte for byte, but
/// for the port where any will do.
pub(crate) fn matches(registered: &str, asked: &str) -> bool {
    let Some((before, after)) = registered.split_once(ANY_PORT) else {
        return registered == asked;
    };
    let Some(rest) = asked.strip_prefix(before) else {
        return false;
    };
    let Some(port) = rest.strip_suffix(after) else {
        return false;
    };
    let Some(port) = port.strip_prefix(':') else {
        return port.is_empty();
    };
    port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// In a registered address: any port.
const ANY_PORT: &str = ":*";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn safe_addresses_only_are_registered() {
        for uri in [
            "https://app.example/back?x=y",
            "http://127.0.0.1:53682/",
            "http://localhost",
            "http://localhost:*/signin/",
            "http://[::1]:*/",
        ] {
            assert_eq!(check(uri), Ok(()), "{uri}");
        }
        for uri in [
            "http://app.example/",
            "https://app.example:*/",
            "https://app.example/#x",
            "https://user@app.example/",
            "https:///",
            "javascript:alert(1)",
            "data:text/html,x",
            "app.example",
            "//app.example/",
            "http://127.0.0.1.evil.example/",
            "http://localhost.evil.example:*/",
            "https://app.example/a b",
            "https://app.example/ä",
            "",
        ] {
            assert!(check(uri).is_err(), "{uri}");
        }
    }

    #[test]
    fn addresses_match_byte_for_byte() {
        let registered = "http://127.0.0.1:53682/";
        assert!(matches(registered, registered));
        for asked in [
            "http://127.0.0.1:53682",
            "http://127.0.0.1:53682/x",
            "http://127.0.0.1:53683/",
            "http://127.0.0.1:53682/?x",
            "HTTP://127.0.0.1:53682/",
            "http://localhost:53682/",
            "",
        ] {
            assert!(!matches(registered, asked), "{asked}");
        }
    }

    #[test]
    fn any_port_is_a_port_and_nothing_else() {
        let registered = "http://127.0.0.1:*/back";
        for asked in [
            "http://127.0.0.1:1/back",
            "http://127.0.0.1:65535/back",
            "http://127.0.0.1/back",
        ] {
            assert!(matches(registered, asked), "{asked}");
        }
        for asked in [
            "http://127.0.0.1:65536/back",
            "http://127.0.0.1:/back",
            "http://127.0.0.1:+1/back",
            "http://127.0.0.1:1@evil.example/back",
            "http://127.0.0.1.evil.example/back",
            "http://127.0.0.1:1/other/back",
            "http://127.0.0.1:1/back/",
        ] {
            assert!(!matches(registered, asked), "{asked}");
        }
    }
}

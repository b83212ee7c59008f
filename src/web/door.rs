//! Who may come in: which address may be bound, which names the server answers to, and what an owner shows.

use std::io;
use std::net::{IpAddr, SocketAddr};

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// The fewest characters of a token: it is all that stands between the network and the workspace.
const LEAST_TOKEN: usize = 16;

/// What was asked for.
#[derive(Clone, Debug)]
pub struct Settings {
    pub bind: SocketAddr,
    pub token: Option<String>,
    pub verify_only: bool,
    /// Names by which browsers reach the server, beside its addresses.
    pub hosts: Vec<String>,
    /// Nobody can predict it; session cookies are made with it.
    pub secret: [u8; 64],
}

/// Why an address is not bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error("{address} can be reached by others: expected --token T or --public-verify-only, found neither")]
    Open { address: SocketAddr },
    #[error("a token of {found} characters can be guessed: expected at least {LEAST_TOKEN}")]
    ShortToken { found: usize },
    #[error("{address}: {source}")]
    Taken { address: SocketAddr, source: io::Error },
}

/// Settings that are safe together.
#[derive(Debug)]
pub struct Door {
    settings: Settings,
}

impl Door {
    /// # Errors
    /// Where strangers could do more than verify.
    pub fn new(settings: Settings) -> Result<Self, BindError> {
        let guarded = settings.token.is_some() || settings.verify_only;
        // A name of its own means that others come by it, through a proxy.
        if (!settings.bind.ip().is_loopback() || !settings.hosts.is_empty()) && !guarded {
            return Err(BindError::Open { address: settings.bind });
        }
        if let Some(token) = settings.token.as_ref().filter(|token| token.chars().count() < LEAST_TOKEN) {
            return Err(BindError::ShortToken { found: token.chars().count() });
        }
        Ok(Door { settings })
    }

    pub fn address(&self) -> SocketAddr {
        self.settings.bind
    }

    pub fn verify_only(&self) -> bool {
        self.settings.verify_only
    }

    pub fn has_token(&self) -> bool {
        self.settings.token.is_some()
    }

    /// Whether strangers may come: then each address gets only so much.
    pub fn is_public(&self) -> bool {
        self.settings.verify_only || !self.settings.bind.ip().is_loopback() || !self.settings.hosts.is_empty()
    }

    /// Whether a request that calls the server `authority` may be meant for it. A name that anybody can point here is
    /// how a page elsewhere would read what is served here (DNS rebinding); an address is not.
    pub fn knows(&self, authority: &str) -> bool {
        let Some(host) = host_of(authority) else { return false };
        if self.settings.verify_only {
            return true;
        }
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let by_address = match address {
            Ok(address) => address.is_loopback() || !self.settings.bind.ip().is_loopback(),
            Err(_) => false,
        };
        let named = |name: &String| name.eq_ignore_ascii_case(host);
        by_address || host.eq_ignore_ascii_case("localhost") || self.settings.hosts.iter().any(named)
    }

    /// Whether `token` is the one that was set. Takes as long for any of the same length.
    pub fn admits(&self, token: &str) -> bool {
        self.settings
            .token
            .as_ref()
            .is_some_and(|own| self.seal(own).verify_slice(&self.sealed(token)).is_ok())
    }

    /// What the browser of someone with the token keeps.
    pub fn cookie(&self) -> String {
        let token = self.settings.token.as_deref().unwrap_or_default();
        hex::encode(self.seal(&format!("session\n{token}")).finalize().into_bytes())
    }

    /// Whether `cookie` is that.
    pub fn remembers(&self, cookie: &str) -> bool {
        let Some(token) = &self.settings.token else { return false };
        let Ok(shown) = hex::decode(cookie) else { return false };
        self.seal(&format!("session\n{token}")).verify_slice(&shown).is_ok()
    }

    fn sealed(&self, text: &str) -> Vec<u8> {
        self.seal(text).finalize().into_bytes().to_vec()
    }

    /// Comparing seals takes the same time wherever two texts begin to differ.
    fn seal(&self, text: &str) -> Hmac<Sha256> {
        let mut mac = <Hmac<Sha256> as Mac>::new((&self.settings.secret).into());
        mac.update(text.as_bytes());
        mac
    }
}

/// The host of `authority` without its port; `None` where that is not one.
fn host_of(authority: &str) -> Option<&str> {
    let (host, rest) = match authority.strip_prefix('[') {
        Some(inner) => {
            let end = inner.find(']')? + 2;
            authority.split_at(end)
        }
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port = rest.strip_prefix(':').map_or(rest.is_empty(), |port| port.parse::<u16>().is_ok());
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':' | '[' | ']');
    (port && !host.is_empty() && host.chars().all(plain)).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(bind: &str) -> Settings {
        let bind = bind.parse().expect("an address");
        Settings { bind, token: None, verify_only: false, hosts: Vec::new(), secret: [7; 64] }
    }

    #[test]
    fn no_other_address_than_loopback_is_open_to_all() {
        for bind in ["0.0.0.0:1", "[::]:1", "192.168.1.7:80", "[2001:db8::1]:80"] {
            assert!(matches!(Door::new(settings(bind)), Err(BindError::Open { .. })), "{bind}");
            assert!(Door::new(Settings { verify_only: true, ..settings(bind) }).is_ok());
            let token = Some("sixteen letters!".to_owned());
            assert!(Door::new(Settings { token, ..settings(bind) }).is_ok());
            let token = Some("fifteen letters".to_owned());
            let short = Door::new(Settings { token, ..settings(bind) });
            assert!(matches!(short, Err(BindError::ShortToken { found: 15 })));
        }
        let hosts = vec!["lab.example".to_owned()];
        let behind_a_proxy = Door::new(Settings { hosts, ..settings("127.0.0.1:1") });
        assert!(matches!(behind_a_proxy, Err(BindError::Open { .. })));
        for bind in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1"] {
            assert!(Door::new(settings(bind)).is_ok(), "{bind}");
        }
    }

    #[test]
    fn only_names_that_nobody_else_can_give_are_answered_to() {
        let local = Door::new(settings("127.0.0.1:7878")).expect("loopback");
        for known in ["localhost", "LOCALHOST:7878", "127.0.0.1:1", "[::1]:7878", "127.0.0.1"] {
            assert!(local.knows(known), "{known}");
        }
        let strange =
            ["example.org", "localhost.example.org", "10.0.0.1", "", ":80", "localhost:x", "[::1", "a b"];
        for unknown in strange.into_iter().chain(["127.0.0.1.nip.io:7878", "localhost:7878:1", "localhost@x"])
        {
            assert!(!local.knows(unknown), "{unknown}");
        }
        let hosts = vec!["lab.example".to_owned()];
        let token = Some("a".repeat(16));
        let wide = Door::new(Settings { hosts, token, ..settings("0.0.0.0:80") }).expect("a token");
        assert!(wide.knows("lab.example") && wide.knows("10.0.0.1:80") && !wide.knows("evil.example"));
        let public =
            Door::new(Settings { verify_only: true, ..settings("0.0.0.0:80") }).expect("verify alone");
        assert!(public.knows("anything.example") && !public.knows(""));
    }

    #[test]
    fn a_token_and_its_cookie_are_known_and_nothing_else_is() {
        let token = "correct horse battery".to_owned();
        let door =
            Door::new(Settings { token: Some(token.clone()), ..settings("127.0.0.1:1") }).expect("safe");
        assert!(door.admits(&token) && !door.admits("") && !door.admits("correct horse batterz"));
        assert!(door.remembers(&door.cookie()) && !door.remembers("") && !door.remembers(&token));
        let mut other = door.cookie().into_bytes();
        other[0] = if other[0] == b'0' { b'1' } else { b'0' };
        assert!(!door.remembers(&String::from_utf8(other).expect("digits")));
        let none = Door::new(settings("127.0.0.1:1")).expect("loopback");
        assert!(!none.admits("") && !none.remembers(&none.cookie()), "no token is no empty token");
    }
}

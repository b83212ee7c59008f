//! The hub over HTTP: the door of `ureq`.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use ureq::http::{Response, header};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body};

use super::blob::stopped;
use super::{HubError, Id, Settings};
use crate::progress::{Progress, Silent};

/// Addresses that one file may lead to, one after another.
const REDIRECTS: usize = 8;
/// Bytes of an answer that is no file, at most: that of a repository of ten thousand files has two megabytes.
const LONGEST_TEXT: u64 = 16 << 20;
/// How often an answer that is no file is asked for.
const TRIES: u32 = 3;
const TO_CONNECT: Duration = Duration::from_secs(20);
/// A connection over which nothing comes for so long is broken.
const TO_READ: Duration = Duration::from_secs(30);

pub struct Client {
    agent: Agent,
    settings: Settings,
}

/// A file, or the rest of it.
pub struct Answer {
    /// Which byte of the file it begins with.
    pub start: u64,
    /// Bytes that come, where the host says so.
    pub bytes: Option<u64>,
    pub body: Box<dyn Read>,
}

impl Client {
    pub fn new(mut settings: Settings) -> Result<Client, HubError> {
        settings.endpoint.truncate(settings.endpoint.trim_end_matches('/').len());
        let (endpoint, token) = (&settings.endpoint, settings.token.as_deref().unwrap_or_default());
        if origin(endpoint).is_none_or(|origin| origin.len() == "https://".len()) {
            return Err(HubError::Endpoint { endpoint: endpoint.clone() });
        }
        if !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(HubError::Token);
        }
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("vidimus/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .timeout_connect(Some(TO_CONNECT))
            .timeout_per_read(Some(TO_READ))
            .tls_config(tls(endpoint)?)
            .build()
            .new_agent();
        Ok(Client { agent, settings })
    }

    /// The address of a path, which begins with a slash.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.settings.endpoint)
    }

    /// What is at `url`, which is no file.
    pub fn text(&self, url: &str, id: &Id) -> Result<Vec<u8>, HubError> {
        let mut failures = 0;
        loop {
            match self.get(url, 0, id) {
                Ok(answer) => {
                    let mut text = Vec::new();
                    let read = answer.body.take(LONGEST_TEXT).read_to_end(&mut text);
                    return read.map(|_| text).map_err(|error| self.broken(url, &error.to_string()));
                }
                Err(error @ HubError::Status { .. }) if error.may_pass() && failures + 1 < TRIES => {
                    failures += 1;
                    self.wait(failures, &Silent)?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// What is at `url`, from byte `start` on if the host can do that. Only the endpoint is shown the token.
    pub fn get(&self, url: &str, start: u64, id: &Id) -> Result<Answer, HubError> {
        let mut url = url.to_owned();
        for _ in 0..=REDIRECTS {
            let mut request = self.agent.get(&url);
            if start > 0 {
                request = request.header(header::RANGE, format!("bytes={start}-"));
            }
            if let Some(token) =
                self.settings.token.as_ref().filter(|_| origin(&url) == origin(&self.settings.endpoint))
            {
                request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
            }
            let response = request.call().map_err(|error| self.broken(&url, &error.to_string()))?;
            match response.status().as_u16() {
                301 | 302 | 303 | 307 | 308 => url = self.redirected(&url, text_of(&response, "location"))?,
                200 => return Ok(answer(0, response)),
                206 => return Ok(answer(range_start(&response).unwrap_or(u64::MAX), response)),
                status => return Err(self.refused(&url, status, text_of(&response, "x-error-code"), id)),
            }
        }
        Err(self.lost(&url, "ever further"))
    }

    /// Waits before the next try, twice as long as before the last.
    pub fn wait(&self, failures: u32, progress: &dyn Progress) -> Result<(), HubError> {
        let mut left = self.settings.patience * (1 << failures.saturating_sub(1).min(6));
        while !left.is_zero() {
            stopped(progress)?;
            let nap = left.min(Duration::from_millis(200));
            std::thread::sleep(nap);
            left -= nap;
        }
        stopped(progress)
    }

    pub fn broken(&self, url: &str, cause: &str) -> HubError {
        HubError::Unreachable { host: host(url), cause: cause.lines().next().unwrap_or_default().to_owned() }
    }

    fn refused(&self, url: &str, status: u16, code: &str, id: &Id) -> HubError {
        let (id, with_token) = (id.clone(), self.settings.token.is_some());
        match (status, code) {
            (401 | 403, "GatedRepo") => HubError::Gated { id, with_token },
            (404, "RevisionNotFound") => HubError::NoRevision { id },
            (401, _) | (404, "RepoNotFound") => HubError::NoModel { id, with_token },
            (403, _) => HubError::Forbidden { id },
            (404, _) if url.contains("/api/models/") => HubError::NoModel { id, with_token },
            _ => HubError::Status { host: host(url), status, path: path(url) },
        }
    }

    fn redirected(&self, from: &str, to: &str) -> Result<String, HubError> {
        let origin_of = origin(from).unwrap_or_default();
        let next = match to {
            _ if origin(to).is_some() => to.to_owned(),
            _ if to.starts_with("//") => format!("{}:{to}", origin_of.split(':').next().unwrap_or_default()),
            _ if to.starts_with('/') => format!("{origin_of}{to}"),
            _ => return Err(self.lost(from, to)),
        };
        // What began privately stays so.
        if from.starts_with("https:") && !next.starts_with("https:") {
            return Err(self.lost(from, to));
        }
        Ok(next)
    }

    fn lost(&self, from: &str, to: &str) -> HubError {
        HubError::Redirect {
            host: host(from),
            path: path(from),
            to: to.chars().take(LONGEST_SHOWN).collect(),
        }
    }
}

/// Characters of an address that are shown: those of files are signed, and long.
const LONGEST_SHOWN: usize = 80;

impl HubError {
    /// Whether asking again may help.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            HubError::Unreachable { .. } => true,
            HubError::Status { status, .. } => matches!(status, 408 | 416 | 429 | 500..=599),
            _ => false,
        }
    }
}

/// `text` with everything but letters, digits, slashes and a few signs as `%` and two digits.
pub fn encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-._~".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// Who is trusted to say who a host is: those whom the system trusts, as networks with a proxy of their own need it.
fn tls(endpoint: &str) -> Result<TlsConfig, HubError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let loaded = rustls_native_certs::load_native_certs();
    if loaded.certs.is_empty() && endpoint.starts_with("https:") {
        let cause = loaded.errors.first().map_or_else(|| "none was found".to_owned(), ToString::to_string);
        return Err(HubError::NoCertificates { cause });
    }
    let roots = loaded.certs.iter().map(|certificate| Certificate::from_der(certificate).to_owned());
    Ok(TlsConfig::builder()
        .unversioned_rustls_crypto_provider(provider)
        .root_certs(RootCerts::from(roots.collect::<Vec<_>>()))
        .build())
}

fn answer(start: u64, response: Response<Body>) -> Answer {
    let bytes = text_of(&response, "content-length").parse().ok();
    Answer { start, bytes, body: Box::new(response.into_body().into_reader()) }
}

/// A header, if it is there and is text.
fn text_of<'a>(response: &'a Response<Body>, name: &str) -> &'a str {
    response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// From `Content-Range: bytes 5-9/10`.
fn range_start(response: &Response<Body>) -> Option<u64> {
    text_of(response, "content-range").strip_prefix("bytes ")?.split_once('-')?.0.parse().ok()
}

/// Scheme, host and port of an address.
fn origin(url: &str) -> Option<&str> {
    let scheme = ["https://", "http://"].into_iter().find(|scheme| url.starts_with(scheme))?;
    let end = url[scheme.len()..].find(['/', '?', '#']).map_or(url.len(), |at| scheme.len() + at);
    Some(&url[..end])
}

fn host(url: &str) -> String {
    origin(url).and_then(|origin| origin.split_once("://")).map_or(url, |(_, host)| host).to_owned()
}

/// Path of an address, without what was asked of it.
fn path(url: &str) -> String {
    let path = origin(url).map_or(url, |origin| &url[origin.len()..]);
    path.split(['?', '#']).next().unwrap_or_default().to_owned()
}

//! Pages that can be mailed: one file, without scripts, and without a word to any other host. The door of `maud`,
//! which escapes whatever a page is given.

pub use maud::{DOCTYPE, Markup, PreEscaped, html};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const STYLE: &str = include_str!("page.css");

/// A page of its own. `head` stands beside the title, in small letters.
pub fn page(title: &str, head: &str, body: &Markup) -> String {
    // Whatever slips into a page: nothing of it may be loaded or run.
    let security =
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(security);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header { h1 { (title) } p .quiet { (head) } }
                main { (body) }
                footer { "vidimus " (env!("CARGO_PKG_VERSION")) }
            }
        }
    };
    page.into_string()
}

/// `text` as a part of an address: everything but plain letters and digits by its bytes.
pub fn percent(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    let byte = |byte: u8| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(byte).collect()
}

/// A file as the address of a picture that stands in the page itself.
pub fn data_uri(mime: &str, bytes: &[u8]) -> String {
    format!("data:{mime};base64,{}", STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_page_is_given_stays_text() {
        let hostile = "<script>alert(1)</script>\"'&";
        let page = page(hostile, hostile, &html! { p title=(hostile) { (hostile) } });
        assert!(!page.contains("<script"), "{page}");
        assert_eq!(page.matches("&lt;script&gt;").count(), 5);
    }

    #[test]
    fn a_page_asks_for_nothing_elsewhere() {
        let page = page("Sweep", "", &html! { img src=(data_uri("image/png", b"any")) alt=""; });
        assert!(page.contains("data:image/png;base64,YW55"));
        assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("url("), "{page}");
    }
}

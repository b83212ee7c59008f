//! What stands around every page.

use std::sync::Arc;

use crate::html::{DOCTYPE, Markup, html};
use axum::extract::{Extension, State};
use axum::response::Redirect;

use super::assets;
use super::guard::Visitor;
use super::site::Site;
use super::text::ENGLISH;

/// Which of the pages it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Here {
    Make,
    Verify,
    Catalog,
    Nowhere,
}

pub struct Frame<'a> {
    pub title: &'a str,
    pub here: Here,
    pub visitor: Visitor,
    /// Names of scripts beside those of every page.
    pub scripts: &'a [&'a str],
}

impl Frame<'_> {
    pub fn page(&self, body: Markup) -> Markup {
        let owner = self.visitor == Visitor::Owner;
        html! {
            (DOCTYPE)
            html lang=(ENGLISH.language) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) " · vidimus" }
                    link rel="icon" type="image/svg+xml" href=(assets::at("icon.svg"));
                    link rel="stylesheet" href=(assets::at("style.css"));
                    @for script in self.scripts { script type="module" src=(assets::at(script)) {} }
                }
                body {
                    a.skip href="#main" { (ENGLISH.skip) }
                    header.top {
                        div.bar {
                            a.mark href="/" { "vidimus" }
                            nav aria-label=(ENGLISH.pages) {
                                @if owner { (self.link(Here::Make, "/make", ENGLISH.make)) }
                                (self.link(Here::Verify, "/verify", ENGLISH.verify))
                                @if owner { (self.link(Here::Catalog, "/catalog", ENGLISH.catalog)) }
                            }
                        }
                    }
                    main #main tabindex="-1" { (body) }
                    footer { p { (ENGLISH.footer) } }
                }
            }
        }
    }

    fn link(&self, to: Here, path: &str, name: &str) -> Markup {
        html! { a href=(path) aria-current=[(self.here == to).then_some("page")] { (name) } }
    }
}

/// The first page is the one that a visitor may use.
pub async fn home(State(site): State<Arc<Site>>, Extension(visitor): Extension<Visitor>) -> Redirect {
    match visitor {
        Visitor::Owner => Redirect::to("/make"),
        Visitor::Stranger if site.door.has_token() => Redirect::to("/login"),
        Visitor::Stranger => Redirect::to("/verify"),
    }
}

//! An audit as one page.

use time::OffsetDateTime;

use super::Audit;
use crate::html::{Markup, html, page};
use crate::lineage::{self, Graph, Node};

/// What a page tells of.
pub struct Page<'a> {
    pub workspace: &'a str,
    pub audit: &'a Audit,
    /// Of everything on record, each picture in one of them.
    pub graphs: &'a [Graph],
    pub made: OffsetDateTime,
}

/// The page, complete in itself. `picture` gives the address of a small picture of a node, if there is one.
pub fn html(asked: &Page<'_>, picture: &dyn Fn(&Node) -> Option<String>) -> String {
    let audit = asked.audit;
    let body = html! {
        (verdict(audit))
        h2 { "What was checked" }
        table {
            tbody {
                @for (what, count) in [
                    ("log entries, each signed and chained to the one before", audit.events),
                    ("pictures, each held against its digest", audit.assets),
                    ("releases, with manifest, watermark and decision", audit.releases),
                    ("comparisons with other pictures on record", audit.comparisons),
                    ("policies, as they stood when they decided", audit.policies),
                ] {
                    tr { td .number { (count) } td { (what) } }
                }
            }
        }
        h2 { "Which references spawned which outputs" }
        @if asked.graphs.is_empty() { p .quiet { "Nothing is on record yet." } }
        @for graph in asked.graphs {
            @let (outputs, refused) = lineage::counts(graph);
            section {
                p .quiet { (lineage::sentence(outputs, refused)) }
                (lineage::rows(graph, picture))
            }
        }
    };
    page("Audit", &format!("Workspace {}; {}", asked.workspace, asked.made.date()), &body)
}

fn verdict(audit: &Audit) -> Markup {
    html! {
        @if audit.findings.is_empty() {
            p { strong .good { "Clean." } " Everything on record is as it was recorded." }
        } @else {
            p {
                strong .bad { (audit.findings.len()) @if audit.findings.len() == 1 { " finding." } @else { " findings." } }
                " What is listed here is not as it was recorded."
            }
            div .scroll {
                table {
                    thead { tr { th { "where" } th { "what" } th { "fault" } } }
                    tbody {
                        @for finding in &audit.findings {
                            tr { td { (finding.area) } td { code { (finding.subject) } } td { (finding.fault) } }
                        }
                    }
                }
            }
        }
    }
}

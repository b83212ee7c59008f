//! Many answers in few lines: a row for each file, and what they come to.

use crate::cli::term::{BAD, BOLD, DIM, GOOD, paint};
use crate::verify::{Report, Verdict};

#[derive(Default)]
pub struct Summary {
    rows: Vec<Row>,
    derived: usize,
    nothing: usize,
    contradictions: usize,
    failed: usize,
    no_pictures: usize,
}

struct Row {
    verdict: Option<Verdict>,
    /// Verdict, manifest, watermark, catalog.
    cells: [String; 4],
    file: String,
}

impl Summary {
    pub fn add(&mut self, file: String, report: &Report) {
        let verdict = match report.verdict {
            Verdict::AiDerived => {
                self.derived += 1;
                format!("AI-derived, {}", report.confidence)
            }
            Verdict::NoEvidence => {
                self.nothing += 1;
                "no evidence".to_owned()
            }
            Verdict::Contradiction => {
                self.contradictions += 1;
                "contradiction".to_owned()
            }
        };
        let watermark = match (report.watermark.found, report.watermark.authentic) {
            (false, _) => "none",
            (true, Some(true)) => "ours",
            (true, _) => "found",
        };
        let catalog = report.catalog.matched.unwrap_or("-");
        let cells = [verdict, report.manifest.state.to_owned(), watermark.to_owned(), catalog.to_owned()];
        self.rows.push(Row { verdict: Some(report.verdict), cells, file });
    }

    pub fn fail(&mut self, file: String) {
        self.failed += 1;
        let cells = ["not read", "-", "-", "-"].map(str::to_owned);
        self.rows.push(Row { verdict: None, cells, file });
    }

    pub fn pass_over(&mut self) {
        self.no_pictures += 1;
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// A row for each file, under a headline.
    pub fn table(&self) -> String {
        let titles = ["verdict", "manifest", "watermark", "catalog"];
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row.cells[column].len());
            cells.chain([titles[column].len()]).max().unwrap_or(0)
        };
        let widths: [usize; 4] = std::array::from_fn(width);
        let pad = |column: usize, text: &str| format!("{text:<width$}", width = widths[column]);
        let head: Vec<String> = titles.iter().enumerate().map(|(i, title)| pad(i, title)).collect();
        let mut lines = vec![paint(DIM, format_args!("{}  file", head.join("  ")))];
        for row in &self.rows {
            let style = match row.verdict {
                Some(Verdict::AiDerived) => GOOD,
                Some(Verdict::NoEvidence) => BOLD,
                Some(Verdict::Contradiction) | None => BAD,
            };
            let [verdict, rest @ ..] = &row.cells;
            let rest: Vec<String> = rest.iter().enumerate().map(|(i, cell)| pad(i + 1, cell)).collect();
            lines.push(format!("{}  {}  {}", paint(style, pad(0, verdict)), rest.join("  "), row.file));
        }
        lines.join("\n")
    }

    /// Such as "3 files: 2 AI-derived, 1 without evidence".
    pub fn line(&self) -> String {
        let parts = [
            (self.derived, "AI-derived"),
            (self.nothing, "without evidence"),
            (self.contradictions, "contradicting themselves"),
            (self.failed, "not read"),
        ];
        let told: Vec<String> =
            parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        let files = self.rows.len();
        let noun = if files == 1 { "file" } else { "files" };
        let rest = match self.no_pictures {
            0 => String::new(),
            1 => "; 1 other file is no picture".to_owned(),
            n => format!("; {n} other files are no pictures"),
        };
        format!("{files} {noun}: {}{rest}", told.join(", "))
    }
}

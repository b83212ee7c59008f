//! What visitors send, read under limits.

use std::error::Error as _;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::{HeaderMap, header};
use http_body_util::{LengthLimitError, Limited};

use super::gate::{Gate, Place};
use super::problem::Problem;

/// How long a body may take to come.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// What a form may have around its picture.
const AROUND: u64 = 64 << 10;
/// Field of the file that says where to vary.
pub const MASK: &str = "mask";
/// Fields of a form, and characters of one.
const FIELDS: usize = 40;
const WORDS: usize = 8 << 10;

/// A picture, and what else stood in its form.
#[derive(Debug, Default)]
pub struct Upload {
    /// What its file is called; for people, never a path.
    pub name: Option<String>,
    pub bytes: Vec<u8>,
    /// Where to vary it, of forms that ask for that.
    pub mask: Option<Vec<u8>>,
    pub fields: Vec<(String, String)>,
}

impl Upload {
    /// What it is called, for people.
    pub fn title(&self) -> String {
        self.name.clone().unwrap_or_else(|| "upload".to_owned())
    }

    /// What was entered in the field `name`, trimmed; `None` where that is nothing.
    pub fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(field, _)| field == name);
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }
}

/// The form or the bare picture in `request`, of at most `limit` bytes with its mask, and its place in the gate. Its length
/// is looked at, and its room taken, before any of it is read. Without a picture it is refused.
pub async fn receive(request: Request, gate: &Gate, limit: u64) -> Result<(Upload, Place), Problem> {
    let form = is_form(request.headers());
    let most = if form { limit + AROUND } else { limit };
    let length =
        request.headers().get(header::CONTENT_LENGTH).and_then(|text| text.to_str().ok()?.parse().ok());
    if let Some(bytes) = length.filter(|bytes| *bytes > most) {
        return Err(Problem::TooLarge { bytes, limit });
    }
    let place = gate.enter(length.unwrap_or(most), PATIENCE).await?;
    let read = async {
        if form {
            fields(request, limit).await
        } else {
            let bytes = whole(request.into_body(), limit).await?;
            Ok(Upload { bytes, ..Upload::default() })
        }
    };
    let upload = tokio::time::timeout(PATIENCE, read)
        .await
        .map_err(|_| Problem::TooSlow { seconds: PATIENCE.as_secs() })??;
    if upload.bytes.is_empty() {
        return Err(Problem::BadRequest("there was no picture in it; choose a file".to_owned()));
    }
    Ok((upload, place))
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.to_ascii_lowercase().starts_with("multipart/form-data")
}

async fn whole(body: Body, limit: u64) -> Result<Vec<u8>, Problem> {
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    match axum::body::to_bytes(body, most).await {
        Ok(bytes) => Ok(bytes.into()),
        Err(error) if error.source().is_some_and(|source| source.is::<LengthLimitError>()) => {
            Err(Problem::TooLarge { bytes: limit + 1, limit })
        }
        Err(error) => Err(Problem::BadRequest(format!("the file did not come whole: {error}"))),
    }
}

/// The picture of a form, its mask and its words.
async fn fields(request: Request, limit: u64) -> Result<Upload, Problem> {
    let (parts, body) = request.into_parts();
    let most = usize::try_from(limit + AROUND).unwrap_or(usize::MAX);
    let body = Body::new(Limited::new(body, most));
    let bad =
        |error: &dyn std::fmt::Display| Problem::BadRequest(format!("the form cannot be read: {error}"));
    let request = Request::from_parts(parts, body);
    let mut form = Multipart::from_request(request, &()).await.map_err(|error| bad(&error))?;
    let mut upload = Upload::default();
    let mut count = 0;
    loop {
        let field = match form.next_field().await {
            Ok(Some(field)) => field,
            Ok(None) => return Ok(upload),
            Err(error) => return Err(bad(&error)),
        };
        count += 1;
        if count > FIELDS {
            return Err(bad(&format_args!("more than {FIELDS} fields")));
        }
        let name = field.name().unwrap_or_default().to_owned();
        if field.file_name().is_some() {
            let called = field.file_name().map(base_name).filter(|called| !called.is_empty());
            let bytes = pieces(field, limit).await?;
            if name == MASK {
                // A field that was left empty is sent as a file without name and bytes.
                upload.mask = Some(bytes).filter(|bytes| !bytes.is_empty());
            } else {
                (upload.bytes, upload.name) = (bytes, called);
            }
        } else {
            let text = pieces(field, WORDS as u64).await?;
            upload.fields.push((name, String::from_utf8_lossy(&text).into_owned()));
        }
    }
}

async fn pieces(mut field: axum::extract::multipart::Field<'_>, limit: u64) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    loop {
        match field.chunk().await {
            Ok(Some(piece)) if bytes.len() + piece.len() > limit as usize => {
                return Err(Problem::TooLarge { bytes: (bytes.len() + piece.len()) as u64, limit });
            }
            Ok(Some(piece)) => bytes.extend_from_slice(&piece),
            Ok(None) => return Ok(bytes),
            Err(error) if error.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE => {
                return Err(Problem::TooLarge { bytes: limit + 1, limit });
            }
            Err(error) => return Err(Problem::BadRequest(format!("the form cannot be read: {error}"))),
        }
    }
}

/// A name for people: the last part of what a browser calls the file, on one line, and not long.
fn base_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    last.chars().filter(|c| !c.is_control()).take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_for_people_and_leads_nowhere() {
        assert_eq!(base_name("../../etc/passwd"), "passwd");
        assert_eq!(base_name("C:\\pictures\\one.png"), "one.png");
        assert_eq!(base_name("a\nb\u{1b}[1m.png"), "ab[1m.png");
        assert_eq!(base_name("dir/"), "");
        assert_eq!(base_name(&"x".repeat(500)).len(), 120);
    }
}

//! Under which licence a model comes, as its card says.

use serde_json::Value;

/// What a model's card calls its licence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Licence(String);

impl Licence {
    /// From the card as the hub has read it.
    pub fn of_card(card: &Value) -> Option<Licence> {
        let text = |name: &str| card.get(name).and_then(Value::as_str);
        Licence::named(text("license"), text("license_name"))
    }

    /// From the text of a card, a `README.md`: its front matter, a block of YAML, has a line for it.
    pub fn of_readme(text: &str) -> Option<Licence> {
        let matter = text.strip_prefix('\u{feff}').unwrap_or(text).strip_prefix("---")?;
        let matter = matter.split("\n---").next()?;
        let value = |name: &str| {
            let line = matter.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            let value = line.trim().trim_matches(['"', '\'']);
            (!value.is_empty()).then_some(value)
        };
        Licence::named(value("license"), value("license_name"))
    }

    /// A licence that is none of the hub's list is `other`, and has its name beside.
    fn named(licence: Option<&str>, name: Option<&str>) -> Option<Licence> {
        let licence = name.filter(|_| licence.is_none_or(|licence| licence == "other")).or(licence)?;
        let plain: String = licence.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
        Some(Licence(plain))
    }

    /// That of a model which is known.
    pub fn called(name: &str) -> Licence {
        Licence(name.to_owned())
    }

    pub fn name(&self) -> &str {
        &self.0
    }

    /// Whether its name says that it forbids commercial use.
    pub fn is_non_commercial(&self) -> bool {
        let name = self.0.to_lowercase();
        let words: Vec<&str> = name.split(|c: char| !c.is_alphanumeric()).collect();
        words.contains(&"nc")
            || words.contains(&"noncommercial")
            || words.windows(2).any(|two| two == ["non", "commercial"])
    }
}

/// Characters of a name that are shown.
const LONGEST: usize = 80;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_card_names_its_licence_in_either_form() {
        let dev = json!({ "license": "other", "license_name": "flux-1-dev-non-commercial-license" });
        let text = "---\nlanguage:\n- en\nlicense: other\nlicense_name: \"flux-1-dev-non-commercial-license\"\n---\n# FLUX\n";
        assert_eq!(Licence::of_card(&dev), Licence::of_readme(text));
        let free =
            Licence::of_readme("---\r\nlicense: apache-2.0\r\n---\r\nlicense: mine\r\n").expect("a licence");
        assert_eq!((free.name(), free.is_non_commercial()), ("apache-2.0", false));
        for none in ["# A model\nlicense: mit\n", "", "---\nlicense:\n---\n"] {
            assert_eq!(Licence::of_readme(none), None, "{none}");
        }
        assert_eq!(Licence::of_card(&json!({ "license": 3 })), None);
    }

    #[test]
    fn a_name_tells_whether_it_is_for_commerce() {
        let non_commercial = |name: &str| Licence(name.to_owned()).is_non_commercial();
        for name in ["flux-1-dev-non-commercial-license", "cc-by-nc-4.0", "sai-nc-community", "NonCommercial"]
        {
            assert!(non_commercial(name), "{name}");
        }
        for name in ["apache-2.0", "openrail++", "creativeml-openrail-m", "once", "non-exclusive"] {
            assert!(!non_commercial(name), "{name}");
        }
    }
}

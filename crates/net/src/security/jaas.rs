//! `sasl.jaas.config`: the line that Java's clients take their credentials from.
//!
//! Owns: reading the one line of a login module, by the rules of Java's tokenizer, as far as such lines go.
//! Does not: load what the line names. A class is looked up in a list of three; whatever else (JNDI, LDAP,
//! Kerberos) is refused (CVE-2023-25194, CVE-2025-27818).

use std::iter::Peekable;
use std::str::Chars;

use zeroize::Zeroizing;

use crate::secret::Secret;

/// A login module that klamm knows how to do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Module {
    Plain,
    Scram,
    OAuthBearer,
}

/// By the last part of the class name: vendors ship Kafka's classes under names of their own (`kafkashaded.…`).
const MODULES: [(&str, Module); 3] = [
    (".common.security.plain.PlainLoginModule", Module::Plain),
    (".common.security.scram.ScramLoginModule", Module::Scram),
    (
        ".common.security.oauthbearer.OAuthBearerLoginModule",
        Module::OAuthBearer,
    ),
];
const FLAGS: [&str; 4] = ["required", "requisite", "sufficient", "optional"];

/// What a line says.
pub(super) struct Login {
    pub(super) module: Module,
    options: Vec<(String, Secret)>,
}

impl Login {
    /// Reads `class flag name="value" ...;`. Errors quote nothing but names.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut tokens = Tokens {
            rest: text.chars().peekable(),
        };
        let class = tokens.word("the class of a login module")?;
        let known = MODULES.iter().find(|(end, _)| class.ends_with(end));
        let Some((_, module)) = known else {
            return Err(
                "names a login module that klamm does not have; there are PlainLoginModule, ScramLoginModule and \
                 OAuthBearerLoginModule of Kafka (others are never loaded)"
                    .to_owned(),
            );
        };
        let flag = tokens.word("required")?;
        if !FLAGS.contains(&flag.to_ascii_lowercase().as_str()) {
            return Err("must say `required` after the class of the login module".to_owned());
        }
        let mut options: Vec<(String, Secret)> = Vec::new();
        while !tokens.at_end()? {
            let name = tokens.word("the name of an option")?;
            if tokens.next_sign() != Some('=') {
                return Err(format!("lacks = after the option {}", shown(&name)));
            }
            let value = tokens.value(&name)?;
            options.retain(|(known, _)| *known != *name);
            options.push((name.to_string(), value));
        }
        if tokens.next_sign().is_some() {
            return Err("must be one login module, ended by ;".to_owned());
        }
        Ok(Self {
            module: *module,
            options,
        })
    }

    pub(super) fn option(&self, name: &str) -> Option<&Secret> {
        let mut options = self.options.iter();
        options
            .find(|(known, _)| known == name)
            .map(|(_, value)| value)
    }

    #[cfg(feature = "oauth")]
    pub(super) fn options(&self) -> impl Iterator<Item = (&str, &Secret)> {
        let options = self.options.iter();
        options.map(|(name, value)| (name.as_str(), value))
    }
}

/// Names of options are no secrets, unless a quote is missing before.
fn shown(name: &str) -> &str {
    let is_name = name.len() <= 40
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if is_name { name } else { "(not shown)" }
}

struct Tokens<'a> {
    rest: Peekable<Chars<'a>>,
}

impl Tokens<'_> {
    fn skip_blanks(&mut self) {
        while self.rest.next_if(|c| c.is_whitespace()).is_some() {}
    }

    fn next_sign(&mut self) -> Option<char> {
        self.skip_blanks();
        self.rest.next()
    }

    /// Takes the `;`, if it is next.
    fn at_end(&mut self) -> Result<bool, String> {
        self.skip_blanks();
        match self.rest.peek() {
            Some(';') => {
                self.rest.next();
                Ok(true)
            }
            Some(_) => Ok(false),
            None => Err("must end with ;".to_owned()),
        }
    }

    fn word(&mut self, what: &str) -> Result<Zeroizing<String>, String> {
        self.skip_blanks();
        let mut word = Zeroizing::new(String::new());
        while let Some(c) = self
            .rest
            .next_if(|c| !c.is_whitespace() && !matches!(c, '=' | ';' | '"' | '\''))
        {
            word.push(c);
        }
        if word.is_empty() {
            return Err(format!("lacks {what}"));
        }
        Ok(word)
    }

    fn value(&mut self, name: &str) -> Result<Secret, String> {
        self.skip_blanks();
        let Some(quote) = self.rest.next_if(|c| matches!(c, '"' | '\'')) else {
            let word = self.word("a value");
            return word
                .map(|word| Secret::from(word.as_str()))
                .map_err(|_| format!("lacks the value of the option {}", shown(name)));
        };
        let mut value = Zeroizing::new(String::new());
        loop {
            match self.rest.next() {
                None | Some('\n' | '\r') => {
                    return Err(format!("lacks the quote after the option {}", shown(name)));
                }
                Some(c) if c == quote => return Ok(Secret::from(value.as_str())),
                Some('\\') => value.extend(self.escaped()),
                Some(c) => value.push(c),
            }
        }
    }

    /// What stands behind a backslash, as Java reads it.
    fn escaped(&mut self) -> Option<char> {
        Some(match self.rest.next()? {
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            first @ '0'..='7' => {
                // Up to three octal digits, the first of three at most 3.
                let digits_max = if first <= '3' { 3 } else { 2 };
                let mut code = first as u32 - '0' as u32;
                for _ in 1..digits_max {
                    let Some(digit) = self.rest.next_if(|c| matches!(c, '0'..='7')) else {
                        break;
                    };
                    code = code * 8 + (digit as u32 - '0' as u32);
                }
                char::from_u32(code)?
            }
            c => c,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAIN: &str = "org.apache.kafka.common.security.plain.PlainLoginModule";

    fn options(text: &str) -> Vec<(String, String)> {
        let login = Login::read(text).unwrap();
        let options = login.options.iter();
        options
            .map(|(name, value)| (name.clone(), value.expose().to_owned()))
            .collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn the_lines_of_every_documentation_are_read() {
        let text = format!("{PLAIN} required username=\"alice\" password=\"alice-secret\";");
        assert_eq!(
            options(&text),
            pairs(&[("username", "alice"), ("password", "alice-secret")])
        );
        let text = format!("{PLAIN}   required\n  username='KEY'\n\tpassword = 'a/b+c==' ;  ");
        assert_eq!(
            options(&text),
            pairs(&[("username", "KEY"), ("password", "a/b+c==")])
        );
        let text = "org.apache.kafka.common.security.scram.ScramLoginModule REQUIRED username=\"tokenID\" \
                    password=\"lAYYSFmLs4bTjf+lTZ1LCHR/ZZFNA==\" tokenauth=\"true\";";
        let login = Login::read(text).unwrap();
        assert_eq!(login.module, Module::Scram);
        assert_eq!(login.option("tokenauth").unwrap().expose(), "true");
        let text = "kafkashaded.org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;";
        assert_eq!(Login::read(text).unwrap().module, Module::OAuthBearer);
    }

    #[test]
    fn escapes_are_those_of_java() {
        let text = format!(r#"{PLAIN} required password="a\"b\\c\n\101\q;=' ";"#);
        assert_eq!(options(&text), pairs(&[("password", "a\"b\\c\nAq;=' ")]));
    }

    #[test]
    fn the_last_of_two_values_counts_and_bare_ones_are_read() {
        let text = format!("{PLAIN} required a=1 b=x-y_z a=true;");
        assert_eq!(options(&text), pairs(&[("b", "x-y_z"), ("a", "true")]));
    }

    #[test]
    fn other_classes_are_never_loaded() {
        for class in [
            "com.sun.security.auth.module.JndiLoginModule",
            "com.sun.security.auth.module.LdapLoginModule",
            "com.sun.security.auth.module.Krb5LoginModule",
            "PlainLoginModule",
            "evil.PlainLoginModule",
        ] {
            let error = Login::read(&format!("{class} required a=\"b\";"))
                .err()
                .expect(class);
            assert!(error.contains("never loaded"), "{error}");
        }
    }

    #[test]
    fn what_is_malformed_is_told_without_its_values() {
        for (rest, word) in [
            ("", "required"),
            (" required", "end with ;"),
            (" always a=\"b\";", "required"),
            (" required hunter2=\"x\"", "end with ;"),
            (
                " required password=\"hunter2;",
                "quote after the option password",
            ),
            (" required password=\"hunter2\n\";", "quote"),
            (" required password;", "lacks = after the option password"),
            (" required password=;", "value of the option password"),
            (" required =x;", "name of an option"),
            (" required a=\"b\"; x.Y required;", "one login module"),
            (" required pass\"hunter2\"=x;", "lacks ="),
        ] {
            let error = Login::read(&format!("{PLAIN}{rest}")).err().expect(rest);
            assert!(error.contains(word), "{rest}: {error}");
            assert!(!error.contains("hunter2"), "{rest}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(?s)(org.a.common.security.plain.PlainLoginModule required)?[a-z0-7=;\"'\\\\ \n]{0,40}|.{0,40}") {
            let _ = Login::read(&text);
        }
    }
}

//! `WWW-Authenticate`: what a registry wants to see before it answers.

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

use crate::limits::{CHALLENGE_LIMIT, CHALLENGE_PARAMETERS};

/// What a registry asks for in a 401 answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// A token from a service (the distribution specification's token authentication).
    Bearer {
        /// The URL of the token service.
        realm: String,
        /// The name the token is to be made for; some registries leave it out.
        service: Option<String>,
        /// The access this request needs, in the registry's words.
        scope: Option<String>,
    },
    /// User name and password.
    Basic,
}

/// Why a challenge cannot be met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChallengeError {
    /// 401 without the header.
    #[error("the registry wants a login but sends no WWW-Authenticate")]
    Missing,
    /// Longer than 8 KiB, or more than 32 parameters.
    #[error(
        "WWW-Authenticate is longer than {CHALLENGE_LIMIT} bytes or has over {CHALLENGE_PARAMETERS} parameters"
    )]
    TooLong,
    /// Not written as RFC 9110 says.
    #[error("WWW-Authenticate is not written as RFC 9110 says")]
    Syntax,
    /// A Bearer challenge without a realm.
    #[error("WWW-Authenticate asks for a token but names no realm")]
    NoRealm,
    /// Schemes other than Bearer and Basic.
    #[error("WWW-Authenticate asks for neither Bearer nor Basic")]
    Unsupported,
}

impl Challenge {
    /// The challenge to meet: Bearer where it is offered, else Basic, as go-containerregistry chooses.
    ///
    /// # Errors
    /// [`ChallengeError`] when there is none, or one that is malformed, oversized or of another scheme.
    pub fn of(headers: &HeaderMap) -> Result<Self, ChallengeError> {
        let (mut bytes, mut parameters, mut basic, mut seen) = (0, 0, false, false);
        let mut bearer = None;
        for value in headers.get_all(WWW_AUTHENTICATE) {
            seen = true;
            bytes += value.len();
            if bytes > CHALLENGE_LIMIT {
                return Err(ChallengeError::TooLong);
            }
            let text = value.to_str().map_err(|_| ChallengeError::Syntax)?;
            for offer in parse(text, &mut parameters)? {
                if offer.scheme.eq_ignore_ascii_case("bearer") && bearer.is_none() {
                    bearer = Some(offer);
                } else if offer.scheme.eq_ignore_ascii_case("basic") {
                    basic = true;
                }
            }
        }
        match bearer {
            Some(mut offer) => {
                let realm = offer.take("realm").filter(|realm| !realm.is_empty());
                let realm = realm.ok_or(ChallengeError::NoRealm)?;
                let filled = |text: &String| !text.is_empty();
                let service = offer.take("service").filter(filled);
                let scope = offer.take("scope").filter(filled);
                Ok(Self::Bearer { realm, service, scope })
            }
            None if basic => Ok(Self::Basic),
            None if seen => Err(ChallengeError::Unsupported),
            None => Err(ChallengeError::Missing),
        }
    }
}

struct Offer {
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl Offer {
    fn take(&mut self, name: &str) -> Option<String> {
        let at = self.parameters.iter().position(|(found, _)| found == name)?;
        Some(self.parameters.swap_remove(at).1)
    }
}

/// One header's challenges: `scheme [token68 | name=value, …], …`.
fn parse(text: &str, parameters: &mut usize) -> Result<Vec<Offer>, ChallengeError> {
    let mut rest = Rest { text };
    let mut offers: Vec<Offer> = Vec::new();
    loop {
        rest.skip_blanks_and_commas();
        if rest.text.is_empty() {
            return Ok(offers);
        }
        let word = rest.token().ok_or(ChallengeError::Syntax)?;
        let spaced = rest.skip_blanks();
        if rest.take('=') {
            rest.skip_blanks();
            let value = rest.value().ok_or(ChallengeError::Syntax)?;
            let name = word.to_ascii_lowercase();
            let offer = offers.last_mut().ok_or(ChallengeError::Syntax)?;
            // A name given twice could be read one way here and another way by the token service.
            if offer.parameters.iter().any(|(found, _)| *found == name) {
                return Err(ChallengeError::Syntax);
            }
            *parameters += 1;
            if *parameters > CHALLENGE_PARAMETERS {
                return Err(ChallengeError::TooLong);
            }
            offer.parameters.push((name, value));
            rest.skip_blanks();
            if !rest.text.is_empty() && !rest.text.starts_with(',') {
                return Err(ChallengeError::Syntax);
            }
        } else if rest.text.is_empty() || rest.text.starts_with(',') || spaced {
            *parameters += 1;
            if *parameters > CHALLENGE_PARAMETERS {
                return Err(ChallengeError::TooLong);
            }
            offers.push(Offer { scheme: word.to_owned(), parameters: Vec::new() });
            rest.skip_token68();
        } else {
            return Err(ChallengeError::Syntax);
        }
    }
}

struct Rest<'a> {
    text: &'a str,
}

impl<'a> Rest<'a> {
    fn skip_blanks(&mut self) -> bool {
        let shorter = self.text.trim_start_matches([' ', '\t']);
        let skipped = shorter.len() < self.text.len();
        self.text = shorter;
        skipped
    }

    fn skip_blanks_and_commas(&mut self) {
        self.text = self.text.trim_start_matches([' ', '\t', ',']);
    }

    fn take(&mut self, wanted: char) -> bool {
        match self.text.strip_prefix(wanted) {
            Some(rest) => {
                self.text = rest;
                true
            }
            None => false,
        }
    }

    fn token(&mut self) -> Option<&'a str> {
        let end = self.text.bytes().position(|b| !is_token(b)).unwrap_or(self.text.len());
        let (token, rest) = self.text.split_at_checked(end)?;
        self.text = rest;
        (!token.is_empty()).then_some(token)
    }

    fn value(&mut self) -> Option<String> {
        if !self.take('"') {
            return self.token().map(str::to_owned);
        }
        let mut value = String::new();
        let mut characters = self.text.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.text = self.text.get(at + 1..)?;
                    return Some(value);
                }
                '\\' => value.push(characters.next()?.1),
                other => value.push(other),
            }
        }
        None
    }

    /// `Negotiate YII…==`: a scheme's own token, of no use here.
    fn skip_token68(&mut self) {
        let end = self.text.bytes().position(|b| !is_token68(b)).unwrap_or(self.text.len());
        let padded = self.text.get(end..).unwrap_or_default().trim_start_matches('=');
        let after = padded.trim_start_matches([' ', '\t']);
        if end > 0 && (after.is_empty() || after.starts_with(',')) {
            self.text = after;
        }
    }
}

fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

fn is_token68(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-._~+/".contains(&b)
}

#[cfg(test)]
mod tests;

//! Enumerations that brokers give by name.

/// An enumeration of Kafka's with the names that the protocol has for it; a name that is newer stays
/// one.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident: $($(#[$variant_doc:meta])* $variant:ident = $text:literal;)*) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
            /// One that this client does not know, by its name.
            Other(String),
        }

        impl $name {
            /// As brokers and tools name it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other(name) => name,
                }
            }

            pub(crate) fn of(name: &str) -> Self {
                $(if name.eq_ignore_ascii_case($text) {
                    return Self::$variant;
                })*
                Self::Other(name.to_owned())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::error::Error;

            /// By its name, in either case.
            fn from_str(name: &str) -> Result<Self, Self::Err> {
                match Self::of(name) {
                    Self::Other(_) => {
                        let known = [$($text),*].join(", ");
                        let reason = format!("not one of {known}");
                        Err(crate::error::Error::invalid(format!("{name:?}"), reason))
                    }
                    known => Ok(known),
                }
            }
        }
    };
}

pub(crate) use named;

//! Enumerations that are numbers on the wire.

/// An enumeration of Kafka's with the numbers and names that the protocol and its tools have for it;
/// a number that is newer stays one.
macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident: $($(#[$variant_doc:meta])* $variant:ident = $number:literal, $text:literal;)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
            /// One that this client does not know, by its number.
            Other(i8),
        }

        #[allow(dead_code, reason = "some are only written, some only read")]
        impl $name {
            pub(crate) const fn number(self) -> i8 {
                match self {
                    $(Self::$variant => $number,)*
                    Self::Other(number) => number,
                }
            }

            pub(crate) const fn of(number: i8) -> Self {
                match number {
                    $($number => Self::$variant,)*
                    _ => Self::Other(number),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    $(Self::$variant => f.pad($text),)*
                    Self::Other(number) => write!(f, "unknown {number}"),
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::error::Error;

            /// By the name that Kafka's tools have for it, in either case.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $(if text.eq_ignore_ascii_case($text) {
                    return Ok(Self::$variant);
                })*
                let known = [$($text),*].join(", ");
                Err(crate::error::Error::invalid(
                    format!("{text:?}"),
                    format!("not one of {known}"),
                ))
            }
        }
    };
}

pub(crate) use numbered;

//! The guard against the message crate: what it lets through is read to its end, what is forged is refused, and no
//! bytes take more memory than it says.

mod body;
mod case;

use proptest::prelude::*;
use proptest::sample::Index;

use self::body::{Choice, body};
use self::case::{CASES, case_of};
use super::*;
use crate::guard::walk::{Field, Response, Shape};

/// What a decode takes besides elements: the shared owner of the frame, an error's text.
const OVERHEAD: usize = 1024;

fn every_version() -> impl Iterator<Item = (&'static case::Case, i16)> {
    let versions = |case: &'static case::Case| {
        let range = case.versions();
        (range.min..=range.max).map(move |version| (case, version))
    };
    CASES.iter().flat_map(versions)
}

fn table(api: ApiKey, version: i16) -> &'static Response {
    response(api, version).unwrap_or_else(|| panic!("no table of {api} version {version}"))
}

/// The most memory that was taken at a time.
fn memory_of(decode: impl FnOnce()) -> usize {
    allocation_counter::measure(decode).bytes_max as usize
}

fn arrays_of(fields: &[Field], found: &mut Vec<&'static Shape>) {
    for field in fields {
        match *field {
            Field::StructArray(_, shape) => {
                found.push(shape);
                arrays_of(shape.fields, found);
            }
            Field::NullableStruct(_, fields) => arrays_of(fields, found),
            Field::Tags(known) => known
                .iter()
                .for_each(|(_, fields)| arrays_of(fields, found)),
            _ => {}
        }
    }
}

#[test]
fn every_api_and_version_that_klamm_speaks_has_a_table_and_no_other() {
    let apis: Vec<ApiKey> = CASES.iter().map(|case| case.api).collect();
    assert_eq!(apis, ApiKey::ALL);
    for (case, version) in every_version() {
        let mut shapes = vec![table(case.api, version).body];
        arrays_of(shapes[0].fields, &mut shapes);
        assert!(
            shapes.iter().all(|shape| shape.bytes_min > 0),
            "{}",
            case.api
        );
    }
    for case in CASES {
        for version in [case.versions().min - 1, case.versions().max + 1] {
            let error = check(case.api, version, &[]).unwrap_err();
            assert!(matches!(error, GuardError::NotSpoken { .. }), "{error}");
        }
    }
    assert!(check(ApiKey(i16::MAX), 0, &[]).is_err());
    assert!(check(ApiKey(-1), 0, &[]).is_err());
}

#[test]
fn a_default_response_passes_and_nothing_shorter_or_longer_does() {
    for (case, version) in every_version() {
        let mut body = (case.default_body)(version);
        let (api, length) = (case.api, body.len());
        assert_eq!(check(api, version, &body), Ok(()), "{api} {version}");
        assert!((case.decode)(&body, version).is_ok(), "{api} {version}");
        for cut in 0..length {
            assert!(
                check(api, version, &body[..cut]).is_err(),
                "{api} {version}: {cut}"
            );
        }
        body.push(0);
        let error = check(api, version, &body).unwrap_err();
        assert!(
            matches!(error, GuardError::TrailingBytes { count: 1, .. }),
            "{error}"
        );
    }
}

/// Chooses by a seed: few elements mostly, many now and then.
fn choose_by(mut seed: u64) -> impl FnMut(Choice) -> usize {
    let mut many = 400;
    move |choice| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let dice = (seed >> 33) as usize;
        match choice {
            Choice::Elements(_) if dice % 16 == 0 => std::mem::take(&mut many),
            Choice::Elements(_) => dice % 4,
            Choice::StringBytes => {
                if dice % 32 == 0 {
                    200
                } else {
                    dice % 5
                }
            }
            Choice::Present => dice % 2,
            Choice::UnknownTags(_) => (dice % 24).saturating_sub(20),
        }
    }
}

#[test]
fn the_message_crate_reads_and_writes_the_bytes_that_the_tables_say() {
    for (case, version) in every_version() {
        for seed in 0..8 {
            let table = table(case.api, version);
            let body = body(table, &mut choose_by(seed));
            let context = format!("{} {version}, seed {seed}: {body:?}", case.api);
            let memory = walk::walk(table, &body, usize::MAX).expect(&context);
            assert_eq!((case.recoded)(&body, version), body, "{context}");
            assert!((case.decode)(&body, version).is_ok(), "{context}");
            let taken = memory_of(|| drop((case.decode)(&body, version)));
            assert!(
                taken <= memory + body.len() + OVERHEAD,
                "{taken} > {memory}: {context}"
            );
        }
    }
}

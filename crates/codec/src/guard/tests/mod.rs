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

/// What a decode takes besides elements: the shared owner of the frame, and an error's text and, where `RUST_BACKTRACE`
/// is set, the stack that the message crate's errors keep.
const OVERHEAD: usize = 64 << 10;

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
            Choice::Elements(_) if dice.is_multiple_of(16) => std::mem::take(&mut many),
            Choice::Elements(_) | Choice::Numbers => dice % 4,
            Choice::StringBytes => {
                if dice.is_multiple_of(32) {
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
            let body = body(table(case.api, version), &mut choose_by(seed));
            let context = format!("{} {version}, seed {seed}: {body:?}", case.api);
            assert_eq!(check(case.api, version, &body), Ok(()), "{context}");
            assert_eq!((case.recoded)(&body, version), body, "{context}");
        }
    }
}

#[test]
fn elements_take_no_more_memory_than_the_tables_say() {
    for (case, version) in every_version() {
        let table = table(case.api, version);
        for many in 0..5 {
            for tags in [0, 1, 40] {
                let body = body(table, &mut |choice| match choice {
                    Choice::Elements(depth) => {
                        if depth == many {
                            400
                        } else {
                            1
                        }
                    }
                    Choice::UnknownTags(depth) => {
                        if depth == many {
                            tags
                        } else {
                            0
                        }
                    }
                    Choice::StringBytes | Choice::Numbers => 0,
                    Choice::Present => 1,
                });
                let context = format!("{} {version}, {many} {tags}", case.api);
                let memory = walk::walk(table, &body, usize::MAX).expect(&context);
                let mut decoded = false;
                let taken = memory_of(|| decoded = (case.decode)(&body, version).is_ok());
                let within = memory <= memory_max(body.len());
                assert_eq!(decoded, within, "{context}");
                // Almost no numbers here: what the walk counts for them covers the test's frame.
                assert!(taken <= memory + 256, "{taken} > {memory}: {context}");
            }
        }
    }
}

/// Decodes a body, whatever it is; says how much memory that took if it was too much.
fn decode_in_bounds(case: &case::Case, version: i16, body: &[u8]) -> Result<bool, String> {
    let bound = memory_max(body.len());
    let elements = walk::walk(table(case.api, version), body, bound).unwrap_or(0);
    let mut decoded = false;
    let taken = memory_of(|| decoded = (case.decode)(body, version).is_ok());
    let frame = body.len() + OVERHEAD;
    if taken <= elements + frame && taken <= bound + frame {
        return Ok(decoded);
    }
    let api = case.api;
    Err(format!(
        "{taken} bytes for {} of {api} {version}, {elements} of elements",
        body.len()
    ))
}

/// One element of each array, one byte in each string, all that may be there.
fn full_body(api: ApiKey, version: i16) -> Vec<u8> {
    body(table(api, version), &mut |choice| {
        usize::from(!matches!(choice, Choice::UnknownTags(_)))
    })
}

#[test]
#[ignore = "writes files: seeds of the fuzz target `response`, one for each row of versions that look alike"]
fn write_the_seeds_of_the_fuzz_target() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/response");
    std::fs::create_dir_all(folder).unwrap();
    for row in tables::RESPONSES {
        let api = ApiKey(row.api);
        let index = ApiKey::ALL.iter().position(|known| *known == api).unwrap();
        let choice = row.max - case_of(api).versions().min;
        let mut seed = vec![index as u8, choice as u8, 0, 0, 0, 1];
        if row.flexible && api != ApiKey::API_VERSIONS {
            seed.push(0);
        }
        seed.extend(full_body(api, row.max));
        std::fs::write(format!("{folder}/{api}-{}", row.max), seed).unwrap();
    }
}

const FORGED: [&[u8]; 6] = [
    &i32::MAX.to_be_bytes(),
    &i32::MIN.to_be_bytes(),
    &i16::MAX.to_be_bytes(),
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0xff, 0xff, 0xff, 0xff, 0x07],
    &[0xff; 10],
];

#[test]
fn nine_bytes_that_claim_two_billion_elements_are_an_error() {
    for (case, version) in every_version() {
        for forged in FORGED {
            for before in [0, 2, 4, 6] {
                let mut body = vec![0; before];
                body.extend_from_slice(forged);
                body.resize(body.len().max(9), 0);
                decode_in_bounds(case, version, &body).unwrap();
            }
        }
    }
    // The one that took 412 GB: throttle time, then the count of brokers.
    let error = (case_of(ApiKey::METADATA).decode)(&[0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0], 8);
    let text = error.unwrap_err().to_string();
    assert!(
        text.contains("Metadata version 8") && text.contains("Brokers ends early"),
        "{text}"
    );
    let error = (case_of(ApiKey::METADATA).decode)(&[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 7], 12);
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("Brokers ends early")
    );
}

#[test]
fn a_length_forged_anywhere_is_harmless() {
    for (case, version) in every_version() {
        let body = full_body(case.api, version);
        assert_eq!(decode_in_bounds(case, version, &body), Ok(true));
        for at in 0..body.len() {
            for forged in FORGED {
                let mut body = body.clone();
                let end = (at + forged.len()).min(body.len());
                body.splice(at..end, forged.iter().copied());
                decode_in_bounds(case, version, &body).unwrap();
                body.truncate(at + forged.len());
                decode_in_bounds(case, version, &body).unwrap();
            }
        }
    }
}

#[test]
fn bodies_of_the_smallest_elements_are_refused_or_stay_in_bounds() {
    let mut refused = 0;
    for (case, version) in every_version() {
        for tags in [0, 1] {
            let dense = |count| {
                body(table(case.api, version), &mut |choice| match choice {
                    Choice::Elements(0) => count,
                    Choice::UnknownTags(1) => tags,
                    _ => 0,
                })
            };
            let body = dense(20_000);
            let decoded = decode_in_bounds(case, version, &body).unwrap();
            refused += usize::from(!decoded);
            assert!(
                decode_in_bounds(case, version, &dense(1000)).unwrap(),
                "{}",
                case.api
            );
        }
    }
    assert!(refused > 0, "the bound was never reached");
}

#[test]
fn a_tagged_field_that_is_not_of_its_size_is_refused() {
    // ApiVersions 3: no error, no APIs, throttle time, then the epoch of the finalized features (tag 1, 8 bytes).
    let body = |size: u8, rest: &[u8]| {
        let start = [0, 0, 1, 0, 0, 0, 0, 1, 1, size, 0, 0, 0, 0, 0, 0, 0, 5];
        [&start[..], rest].concat()
    };
    let check = |body: &[u8]| check(ApiKey::API_VERSIONS, 3, body);
    assert_eq!(check(&body(8, &[])), Ok(()));
    assert!(matches!(
        check(&body(7, &[])),
        Err(GuardError::Malformed(_))
    ));
    let error = check(&body(9, &[0])).unwrap_err();
    assert!(
        matches!(error, GuardError::TrailingBytes { count: 1, .. }),
        "{error}"
    );
}

/// What happens to a valid body on its way.
#[derive(Clone, Debug)]
enum Mutation {
    Flip(Index, u8),
    Cut(Index, Index),
    Insert(Index, Vec<u8>),
}

fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let mutation = prop_oneof![
        (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Mutation::Cut(from, to)),
        (any::<Index>(), prop::collection::vec(any::<u8>(), 1..6))
            .prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
    ];
    prop::collection::vec(mutation, 1..4)
}

fn mutate(body: &mut Vec<u8>, mutation: Mutation) {
    match mutation {
        Mutation::Flip(at, bit) if !body.is_empty() => {
            let at = at.index(body.len());
            body[at] ^= 1 << bit;
        }
        Mutation::Flip(..) => {}
        Mutation::Cut(from, to) => {
            let (from, to) = (from.index(body.len() + 1), to.index(body.len() + 1));
            body.drain(from.min(to)..from.max(to));
        }
        Mutation::Insert(at, bytes) => {
            let at = at.index(body.len() + 1);
            body.splice(at..at, bytes);
        }
    }
}

/// An API and a version of it.
fn version_of(pick: Index) -> (&'static case::Case, i16) {
    let all: Vec<_> = every_version().collect();
    all[pick.index(all.len())]
}

proptest! {
    #![proptest_config(crate::testing::cases(4096))]

    #[test]
    fn any_bytes_are_a_response_or_an_error(pick: Index, body: Vec<u8>) {
        let (case, version) = version_of(pick);
        decode_in_bounds(case, version, &body).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn any_mutation_of_a_response_is_a_response_or_an_error(
        pick: Index,
        seed: u64,
        mutations in mutations(),
    ) {
        let (case, version) = version_of(pick);
        let mut body = body(table(case.api, version), &mut choose_by(seed));
        for mutation in mutations {
            mutate(&mut body, mutation);
        }
        decode_in_bounds(case, version, &body).map_err(TestCaseError::fail)?;
    }
}

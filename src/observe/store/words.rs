//! How the nouns are spelled in the database: enums by the very words they have in JSON, times as microseconds, vectors
//! as f16.

use half::f16;
use jiff::Timestamp;
use rusqlite::types::Type;
use serde::Serialize;
use serde::de::value::{Error as WordError, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer};
use uuid::{Builder, Uuid};

/// The word of an enum's value.
pub(super) fn word<T: Serialize>(value: T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        other => unreachable!("an enum without fields has a word, not {other:?}: this is a bug"),
    }
}

/// An enum's value by its word in column `column`.
pub(super) fn parse<T: DeserializeOwned>(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<T> {
    let word: String = row.get(column)?;
    let deserializer: StrDeserializer<'_, WordError> = word.as_str().into_deserializer();
    T::deserialize(deserializer)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}

/// A UUID in column `column`.
pub(super) fn uuid(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Uuid> {
    row.get::<_, [u8; 16]>(column).map(Uuid::from_bytes)
}

/// A time in column `column`.
pub(super) fn time(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    Timestamp::from_microsecond(row.get(column)?)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Integer, Box::new(error)))
}

/// The first identity of a moment: those of events and pictures sort by time.
pub(super) fn first_of(at: Timestamp) -> Uuid {
    Builder::from_unix_timestamp_millis(u64::try_from(at.as_millisecond()).unwrap_or(0), &[0; 10]).into_uuid()
}

/// When an identity was given, by itself: [`first_of`] of it is that one or an earlier one.
pub(super) fn time_of(id: Uuid) -> Option<Timestamp> {
    let (secs, nanos) = id.get_timestamp()?.to_unix();
    Timestamp::new(i64::try_from(secs).ok()?, i32::try_from(nanos).ok()?).ok()
}

/// A count as SQLite has it.
pub(super) fn count(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// A number as SQLite has it: what is no number would become null.
pub(super) fn finite(x: f64) -> f64 {
    if x.is_finite() { x } else { 0.0 }
}

/// A vector as f16, little endian. What f16 cannot hold becomes its largest number.
pub(super) fn vector(features: &[f32]) -> Vec<u8> {
    let largest = f16::MAX.to_f32();
    features.iter().flat_map(|it| f16::from_f32(it.clamp(-largest, largest)).to_le_bytes()).collect()
}

/// Numbers of a vector as [`vector`] wrote them.
pub(super) fn features(vector: &[u8]) -> Vec<f32> {
    vector.as_chunks().0.iter().map(|it| f16::from_le_bytes(*it).to_f32()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{CaptureMethod, Modality, ObservationType};

    #[test]
    fn words_are_those_of_json_and_vectors_are_f16() {
        assert_eq!(word(Modality::Infrared), "infrared");
        assert_eq!(word(CaptureMethod::ActivityDetection), "activityDetection");
        assert_eq!(word(ObservationType::Unclassified), "unclassified");
        assert_eq!(vector(&[1.0, -2.0, 1e9]), [0x00, 0x3c, 0x00, 0xc0, 0xff, 0x7b]);
        assert_eq!(features(&vector(&[1.0, -2.0, 1e9])), [1.0, -2.0, 65504.0]);
    }
}

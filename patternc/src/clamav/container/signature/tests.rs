use proptest::prelude::*;

use super::*;
use crate::fuzzing::{Makers, encode_pss};

const MD5: [u8; 16] = *b"\0sixteen bytes!!";

fn bytes<const LEN: usize>(hex: &str) -> [u8; LEN] {
    crate::clamav::hash::hex_bytes(hex).unwrap()
}

/// The header of release 268 of `bytecode.cvd`.
const GENUINE_MD5: &str = "ab5fd6e87d69cee739d8fc5e2333a9ce";
const GENUINE_HEADER: &str = "B6YCvaUwy4IMDnCAlYOycr68t2wdZ8rEUtP14KS9uwdbPH7XivTAhlAJFoSoN0Hgr2CtEC9uTJDLJv8ZA8p8vIyuFeQKfzoxjRfR\
     oJEmRpzsvATZ/qcV3CEMYa5BwlkHHoQTFogmxfbkeX7zHchIjCrAW6LDjl0zMOoZt7vNuMi";

/// SHA-256 of a list above its signature, and the signature: of the same container, and of `main.cvd` of 2012.
const GENUINE_LISTS: [(&str, &str); 2] = [
    (
        "a550f3f825b0756c353bc90c4b186fac2ef856c72c2bd65df949382ae15c5567",
        "j7XYwMJVETVwDTJKaerDlhbo7Hu+IJlLVFYtbvFWfVYkBTCSiuQcsXF6cLQ698PUeVekJnRahf1JxVEcKU9UNzwNXm9pkYw4kHnz\
         PxxcvKT0SelCJiIiszKVQyr+3KkOFjoeJd+XtjMQwKnjuDSX4QbTkWrLbgTeLp26h2AYCJYAdNcWREeZkiYr65nmJMxw/rteDoLb\
         rfrmIORmJ75Yqq4634Cr9qWZAAqJK4Q8slc+WsGWEdoYRxvDVbB6l8Bd5nRNjUKuiJB36ego4ThuZlkPcbxdaEkWZlm4p3PVjBJO\
         GYoatNmb/8waiQoMw4J3b7oFOVUlYCpccY/LnbHon",
    ),
    (
        "f2d6f6dea025539a20e1d312fb8d81d5838252a442d8652613d5fc8076640660",
        "RskPUkWknioT2DrfHcUk207BQlBKpvZ48qErDa+F4gMSZ49odiWCi9+/82d97BXL5HCzXb9NmfEwg8hnZ2K9rhB2mRKRvDf8bcCJ\
         PWlAbyOvF9cGJQAFfs/AxnWn6GD1uJJptVDB72V52mNEk+5W89JzpyC93MzcCH6hrAhxYTCheqsymbIPR4KS1jBAPrX6cyqaTUR2\
         XsPkcvO+0HXnqfzedkAz8jES+2YmT4KC55FgsI6IM4eD9+IzjzmAkMzLgB5QXh5pJz7mbp80KyiqX2drAyEt7jsp10FVE7TPednP\
         dtye4cFrf3zUehgZY2jtShAWaKcLc1QP/DmpwDrRz",
    ),
];

#[test]
fn genuine_signatures_are_genuine() {
    let Keys { header, list } = Keys::clamav();
    assert!(header.signed_md5(&bytes(GENUINE_MD5), GENUINE_HEADER));
    assert!(!header.signed_md5(&MD5, GENUINE_HEADER));
    for (index, (sha256, signature)) in GENUINE_LISTS.into_iter().enumerate() {
        assert!(list.signed_sha256(&bytes(sha256), signature));
        assert!(!list.signed_sha256(&bytes(GENUINE_LISTS[1 - index].0), signature));
        assert!(!header.signed_sha256(&bytes(sha256), signature));
    }
    assert_eq!((header.modulus.bits(), list.modulus.bits()), (1024, 2047));
}

#[test]
fn a_digest_is_signed_by_its_key_only() {
    let Makers { header, list } = Makers::for_tests();
    let signature = header.sign_md5(&MD5);
    assert!(header.key.signed_md5(&MD5, &signature));
    assert!(!header.key.signed_md5(b"another sixteen!", &signature));
    assert!(!Keys::clamav().header.signed_md5(&MD5, &signature));
    assert!(!list.key.signed_md5(&MD5, &signature));
}

#[test]
fn every_digit_counts() {
    let key = &Keys::clamav().header;
    for at in 0..GENUINE_HEADER.len() {
        let mut wrong = GENUINE_HEADER.to_owned().into_bytes();
        wrong[at] = if wrong[at] == b'a' { b'b' } else { b'a' };
        assert!(!key.signed_md5(&bytes(GENUINE_MD5), str::from_utf8(&wrong).unwrap()), "digit {at}");
    }
    assert!(!key.signed_md5(&bytes(GENUINE_MD5), &GENUINE_HEADER[..170]));
}

#[test]
fn what_is_no_number_below_the_modulus_is_no_signature() {
    let maker = Makers::for_tests().header;
    let signature = maker.sign_md5(&MD5);
    let above = maker.sign_md5_above_the_modulus(&MD5);
    for wrong in [
        String::new(),
        "a".repeat(171),
        "/".repeat(171),
        "a".repeat(10_000),
        "/".repeat(10_000),
        format!("{signature}{}", "a".repeat(172 - signature.len())),
        above,
        format!("{signature}="),
        format!(" {signature}"),
        "é".repeat(10),
    ] {
        assert!(!maker.key.signed_md5(&MD5, &wrong), "{wrong}");
        assert!(!maker.key.signed_sha256(&[7; 32], &wrong), "{wrong}");
    }
}

#[test]
fn a_list_is_signed_with_padding() {
    let maker = Makers::for_tests().list;
    let good = maker.sign_sha256(&[7; 32]);
    assert!(maker.key.signed_sha256(&[7; 32], &good));
    assert!(!maker.key.signed_sha256(&[8; 32], &good));
    assert!(!Keys::clamav().list.signed_sha256(&[7; 32], &good));
    let bare = maker.sign(&BigUint::from_bytes_be(&[7; 32]));
    assert!(!maker.key.signed_sha256(&[7; 32], &bare));
}

#[test]
fn every_bit_of_an_encoded_message_counts() {
    let good = encode_pss(&[7; 32], &[9; 32]);
    assert!(verify_pss(&[7; 32], good.clone(), 2047));
    for bit in 0..8 * good.len() {
        let mut wrong = good.clone();
        wrong[bit / 8] ^= 0x80 >> (bit % 8);
        assert!(!verify_pss(&[7; 32], wrong, 2047), "bit {bit}");
    }
    assert!(!verify_pss(&[7; 32], Vec::new(), 0));
    assert!(!verify_pss(&[7; 32], vec![0xbc; 65], 520));
}

#[test]
fn keys_that_cannot_check_anything_are_none() {
    for wrong in ["", "0", "1", "12", "-3", "x", "0x11"] {
        assert_eq!(PublicKey::new(wrong, 3), None, "{wrong}");
    }
    // The smallest keys have no room for any message.
    let small = PublicKey::new("15", 3).unwrap();
    assert!(!small.signed_sha256(&[7; 32], "b") && !small.signed_md5(&MD5, "b"));
}

proptest! {
    #[test]
    fn any_text_is_answered(signature in "[a-zA-Z0-9+/]{0,400}|\\PC{0,40}") {
        prop_assert!(!Keys::clamav().header.signed_md5(&MD5, &signature));
        prop_assert!(!Keys::clamav().list.signed_sha256(&[7; 32], &signature));
    }
}

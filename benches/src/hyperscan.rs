//! Hyperscan, when the library is installed: loaded at run time, so that nothing needs it to build.
//!
//! `unsafe` here is what calls into a C library cost: the types below are those of `hs/hs_compile.h` and `hs/hs_runtime.h` of version
//! 5, and each call keeps what the header asks of it.
#![allow(unsafe_code)]

use crate::engines::Engine;
use anyhow::{Context, Result, ensure};
use libloading::{Library, Symbol};
use std::ffi::{CStr, c_char, c_int, c_uint, c_ulonglong, c_void};
use std::ptr::{null, null_mut};

/// What the library is called where it is installed.
const LIBRARY: &str = "libhs.so.5";
const HS_SUCCESS: c_int = 0;
const HS_MODE_BLOCK: c_uint = 1;

/// `hs_compile_error_t`.
#[repr(C)]
struct CompileError {
    message: *const c_char,
    expression: c_int,
}

type CompileLiterals = unsafe extern "C" fn(
    expressions: *const *const c_char,
    flags: *const c_uint,
    ids: *const c_uint,
    lengths: *const usize,
    elements: c_uint,
    mode: c_uint,
    platform: *const c_void,
    database: *mut *mut c_void,
    error: *mut *mut CompileError,
) -> c_int;
type AllocScratch = unsafe extern "C" fn(database: *const c_void, scratch: *mut *mut c_void) -> c_int;
type OnMatch = extern "C" fn(c_uint, c_ulonglong, c_ulonglong, c_uint, *mut c_void) -> c_int;
type Scan = unsafe extern "C" fn(
    database: *const c_void,
    data: *const c_char,
    length: c_uint,
    flags: c_uint,
    scratch: *mut c_void,
    on_match: OnMatch,
    context: *mut c_void,
) -> c_int;

/// Hyperscan's matcher of pure literals, every match reported.
///
/// The database and its scratch are not freed: an engine lives as long as its process.
pub struct Hyperscan {
    library: Library,
    database: *const c_void,
    scratch: *mut c_void,
}

impl Hyperscan {
    /// A matcher for `literals`.
    ///
    /// # Errors
    /// When the library is not installed or refuses the literals.
    pub fn new(literals: &[Vec<u8>]) -> Result<Hyperscan> {
        // SAFETY: what runs when Hyperscan is loaded only looks at the processor.
        let library = unsafe { Library::new(LIBRARY) }.with_context(|| format!("{LIBRARY} cannot be loaded"))?;
        let database = compile(&library, literals)?;
        // SAFETY: the symbol has this type in version 5, which the name of the library promises.
        let alloc: Symbol<'_, AllocScratch> = unsafe { library.get(b"hs_alloc_scratch\0") }?;
        let mut scratch = null_mut();
        // SAFETY: the database was just compiled, and the place for the scratch is null as the first call wants it.
        let status = unsafe { alloc(database, &raw mut scratch) };
        ensure!(status == HS_SUCCESS, "hs_alloc_scratch: status {status}");
        Ok(Hyperscan { library, database, scratch })
    }
}

fn compile(library: &Library, literals: &[Vec<u8>]) -> Result<*const c_void> {
    // SAFETY: the symbol has this type in version 5, which the name of the library promises.
    let compile: Symbol<'_, CompileLiterals> = unsafe { library.get(b"hs_compile_lit_multi\0") }?;
    let count = c_uint::try_from(literals.len()).context("too many literals")?;
    let expressions: Vec<*const c_char> = literals.iter().map(|literal| literal.as_ptr().cast()).collect();
    let lengths: Vec<usize> = literals.iter().map(Vec::len).collect();
    let flags = vec![0; literals.len()];
    let ids: Vec<c_uint> = (0..count).collect();
    let (mut database, mut error) = (null_mut(), null_mut());
    // SAFETY: each of the four arrays has `count` elements, each expression the bytes that `lengths` says (literals need no zero at
    // their end), both places for results may be written, and a null platform stands for this processor.
    let status = unsafe {
        compile(
            expressions.as_ptr(),
            flags.as_ptr(),
            ids.as_ptr(),
            lengths.as_ptr(),
            count,
            HS_MODE_BLOCK,
            null(),
            &raw mut database,
            &raw mut error,
        )
    };
    ensure!(status == HS_SUCCESS, "hs_compile_lit_multi: status {status}: {}", message(error));
    Ok(database)
}

fn message(error: *const CompileError) -> String {
    // SAFETY: the library leaves null here or a valid error, which nobody frees.
    let Some(error) = (unsafe { error.as_ref() }) else { return "no message".to_owned() };
    // SAFETY: the message of an error ends with a zero.
    unsafe { CStr::from_ptr(error.message) }.to_string_lossy().into_owned()
}

extern "C" fn count_one(_id: c_uint, _from: c_ulonglong, _to: c_ulonglong, _flags: c_uint, context: *mut c_void) -> c_int {
    let count: *mut usize = context.cast();
    // SAFETY: `count` of [`Hyperscan::count`] is the context, and nothing else touches it during the scan.
    unsafe { *count += 1 };
    0
}

impl Engine for Hyperscan {
    fn name(&self) -> &'static str {
        "hyperscan"
    }

    fn count(&mut self, haystack: &[u8]) -> usize {
        // SAFETY: the symbol has this type in version 5, which the name of the library promises.
        let scan: Symbol<'_, Scan> = unsafe { self.library.get(b"hs_scan\0") }.expect("version 5 has it");
        let len = c_uint::try_from(haystack.len()).expect("haystacks are given in pieces of less than 4 GiB");
        let mut count = 0_usize;
        let context = (&raw mut count).cast();
        // SAFETY: the database and the scratch made for it are valid, `&mut self` keeps the scratch from a second scan, the
        // haystack has `len` bytes, and the callback takes what `context` points to.
        let status = unsafe { scan(self.database, haystack.as_ptr().cast(), len, 0, self.scratch, count_one, context) };
        assert_eq!(status, HS_SUCCESS, "hs_scan");
        count
    }
}

//! What happens when a page of a mapped file is gone.
//!
//! The kernel raises SIGBUS in the thread that touched the page. The handler installed here looks the address up among the maps that are
//! watched; if it is in one, it maps a page of zeros over the missing one, notes that, and returns, so that the read is done again and
//! goes on. Any other SIGBUS is passed to the handler that was there before; if that was the default, it is put back, and the
//! fault, raised again, ends the process as it would have.
//!
//! A signal handler may do very little. This one reads and writes atomics, and calls `mmap`, `sigaction` and the earlier handler.

use std::mem::MaybeUninit;
use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

/// Maps that can be watched at a time; further ones are not, and are as safe as any map.
pub(super) const SLOTS: usize = 4096;

/// A watched range of addresses; free while `end` is 0.
struct Slot {
    taken: AtomicBool,
    start: AtomicUsize,
    end: AtomicUsize,
    hit: AtomicBool,
}

static WATCHED: [Slot; SLOTS] = [const {
    Slot { taken: AtomicBool::new(false), start: AtomicUsize::new(0), end: AtomicUsize::new(0), hit: AtomicBool::new(false) }
}; SLOTS];

static INSTALL: Once = Once::new();
/// The action that was there before; leaked, so that it is there whenever the handler runs.
static BEFORE: AtomicPtr<libc::sigaction> = AtomicPtr::new(ptr::null_mut());
static PAGE: AtomicUsize = AtomicUsize::new(0);

/// A map being watched, until this is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    slot: usize,
}

impl Watch {
    /// Watches the addresses of `map`; `None` when there is no room or no handler.
    pub(super) fn new(map: &[u8]) -> Option<Watch> {
        INSTALL.call_once(install);
        if PAGE.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let slot = WATCHED
            .iter()
            .position(|slot| !slot.taken.load(Ordering::Relaxed) && !slot.taken.swap(true, Ordering::Acquire))?;
        let watched = &WATCHED[slot];
        watched.hit.store(false, Ordering::Relaxed);
        watched.start.store(map.as_ptr().addr(), Ordering::Relaxed);
        watched.end.store(map.as_ptr().addr() + map.len(), Ordering::Release);
        Some(Watch { slot })
    }

    /// Whether a page of the map was found gone.
    pub(super) fn was_hit(&self) -> bool {
        WATCHED[self.slot].hit.load(Ordering::Acquire)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let watched = &WATCHED[self.slot];
        watched.end.store(0, Ordering::Release);
        watched.taken.store(false, Ordering::Release);
    }
}

fn install() {
    // SAFETY: a query without a pointer.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    let Ok(page) = usize::try_from(page) else { return };
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    let ours = action.as_mut_ptr();
    // SAFETY: `ours` points to a zeroed `sigaction`, for which all zeros is a value; it is written to before anything else has it.
    let ours = unsafe { &mut *ours };
    ours.sa_sigaction = on_sigbus as *const () as libc::sighandler_t;
    ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
    let before = Box::leak(Box::new(MaybeUninit::<libc::sigaction>::zeroed()));
    // The handler may run as soon as it is installed, so what it reads is there first. All zeros is the default action.
    BEFORE.store(before.as_mut_ptr(), Ordering::Release);
    // SAFETY: both pointers are to `sigaction`s that live on; the handler keeps to what may be done in one.
    let installed = unsafe { libc::sigaction(libc::SIGBUS, ours, before.as_mut_ptr()) };
    if installed == 0 {
        PAGE.store(page, Ordering::Release);
    }
}

extern "C" fn on_sigbus(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: with `SA_SIGINFO` the kernel passes a valid `siginfo_t`.
    let info_ref = unsafe { &*info };
    // SAFETY: for SIGBUS it holds the address.
    let address = unsafe { info_ref.si_addr() }.addr();
    let watched = WATCHED.iter().find(|slot| {
        let end = slot.end.load(Ordering::Acquire);
        (slot.start.load(Ordering::Relaxed)..end).contains(&address)
    });
    match watched {
        Some(slot) if zero_page(address) => slot.hit.store(true, Ordering::Release),
        _ => pass_on(signal, info, context),
    }
}

/// Maps zeros over the page of `address`, which is part of a map that only reads.
fn zero_page(address: usize) -> bool {
    let page = PAGE.load(Ordering::Acquire);
    let start = ptr::with_exposed_provenance_mut(address & !(page - 1));
    let flags = libc::MAP_FIXED | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: the page is part of a watched map, which lives until its watch is dropped, and a thread is reading it now. Nothing else
    // can be there. What is put in its place is readable and of the same length, so every slice of the map stays valid.
    let mapped = unsafe { libc::mmap(start, page, libc::PROT_READ, flags, -1, 0) };
    mapped != libc::MAP_FAILED
}

/// Leaves a fault that is not ours to whom it was left before.
fn pass_on(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let before = BEFORE.load(Ordering::Acquire);
    // SAFETY: `install` stored a leaked, initialised `sigaction` before this handler could run.
    let before = unsafe { &*before };
    match before.sa_sigaction {
        libc::SIG_DFL | libc::SIG_IGN => {
            // SAFETY: `before` is a valid action. The faulting instruction runs again after the return and meets it.
            unsafe { libc::sigaction(signal, before, ptr::null_mut()) };
        }
        handler if before.sa_flags & libc::SA_SIGINFO != 0 => {
            type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);
            // SAFETY: with `SA_SIGINFO` the stored value is a function of this type.
            let handler = unsafe { std::mem::transmute::<libc::sighandler_t, Handler>(handler) };
            handler(signal, info, context);
        }
        handler => {
            // SAFETY: without `SA_SIGINFO`, and being neither of the constants, the stored value is a function of this type.
            let handler = unsafe { std::mem::transmute::<libc::sighandler_t, extern "C" fn(libc::c_int)>(handler) };
            handler(signal);
        }
    }
}

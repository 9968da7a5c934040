//! What shall this terminal run? A pure function of tables, policy, the terminal's row and the time. `docs/decisions.md` is its prose.
//!
//! The rule, from the decision table of the requirements. The product is what the terminal subscribed to, as the variant that fits its
//! machine; a threat is open when what it runs, at its newest release for this terminal, has no cure for it. Columns as in the seed:
//!
//! | product covers | applied current | wishes updates | others allowed | another covers | result |
//! |---|---|---|---|---|---|
//! | yes | yes | any | any | any | [`Reason::Current`] |
//! | yes | no | yes | any | any | [`Reason::Refresh`] (or [`Reason::FirstInstall`]) |
//! | yes | no | no | any | any | [`Reason::UpdatesNotWished`] |
//! | no | – | yes | yes | yes | [`Reason::Switch`], [`Reason::Add`] or [`Reason::Offered`], by the policy |
//! | no | – | yes | yes | no | [`Reason::NoCureYet`], and the newest of its own product |
//! | no | – | yes | no | any | [`Reason::OthersNotAllowed`] or [`Reason::NoCureYet`], and the newest of its own product |
//! | no | – | no | any | any | [`Reason::UpdatesNotWished`] |
//!
//! Why nothing flaps. While the tables stand still, a terminal goes to another channel only when that grows what it is cured of, and goes
//! back only when that shrinks nothing; so after going back there is nothing that it could leave for again. Tables that change are held
//! off by the minimum stay, which is asked before each way back.
//!
//! What the operator gives one terminal alone goes before the policy, and after all that goes before that (`one_off`).
//!
//! Three steps, each in a file: what it would run without help (`product`, `variant`), what could go (`back`), what could help
//! (`candidates`, by the makers' `record`). What is the same for all terminals is computed once, in a [`Prepared`]; a decision then works on
//! bit sets. [`Prepared::explain`] is the same code with a listener (`trace`), so that it cannot tell another story.

mod back;
mod candidates;
mod one_off;
mod prepared;
mod product;
mod record;
pub mod rings;
mod settled;
mod trace;
mod variant;

use crate::Channel;
use crate::wire::{
    Assignment, ChannelRelease, Danger, Designation, Explanation, Machine, OneOff, Policy, Reason, Rule, Sha256Hex,
    TerminalFacts,
};
pub use one_off::Void;
use prepared::Scope;
pub use prepared::{ListedRelease, Prepared, Tables};
use product::{Product, Target, Why};
use settled::none_fits;
use trace::{Silent, Trace, Trail};

/// The part of a user-table row that the decision needs.
#[derive(Clone, Debug)]
pub struct UserRow {
    /// Which makers it accepts.
    pub designation: Designation,
    /// What it subscribed to.
    pub subscribed: Vec<Channel>,
    /// What it runs.
    pub applied: Vec<ChannelRelease>,
    /// Since when it runs each channel: seconds since 1970. One that is not here runs since just now.
    pub stays: Vec<(Channel, i64)>,
    /// What the operator gave it alone, ascending by channel; also what is over by now.
    pub one_offs: Vec<OneOff>,
    /// What it says of its machine.
    pub machine: Machine,
    /// Its group: the operator's word, else its own.
    pub group: Option<String>,
    /// Its place in the fleet for percentages, 0 to 9,999.
    pub bucket: u16,
}

impl UserRow {
    /// A row that says nothing of its machine.
    pub fn new(designation: Designation, subscribed: Vec<Channel>, applied: Vec<ChannelRelease>) -> Self {
        let (stays, one_offs, machine, group, bucket) = (Vec::new(), Vec::new(), Machine::default(), None, 0);
        UserRow { designation, subscribed, applied, stays, one_offs, machine, group, bucket }
    }

    /// The row of the terminal with this number, that says this of itself.
    pub fn of(terminal: &str, facts: &TerminalFacts, applied: Vec<ChannelRelease>) -> Self {
        let machine = Machine {
            hardware: facts.hardware.clone(),
            os: facts.os.clone(),
            engine_version: facts.engine_version.clone(),
            memory_bytes: facts.memory_bytes,
            features: facts.features.clone(),
        };
        let row = UserRow::new(facts.designation.clone(), facts.subscribed.clone(), applied);
        UserRow { machine, group: facts.group.clone(), bucket: bucket_of(terminal), ..row }
    }
}

/// A terminal's place in the fleet for percentages, 0 to 9,999: by a digest of its number, so that it is the same for every release and
/// nobody chooses it.
pub fn bucket_of(terminal: &str) -> u16 {
    let digest = Sha256Hex::of(terminal.as_bytes());
    let [a, b, c, d, ..] = *digest.bytes();
    (u32::from_be_bytes([a, b, c, d]) % 10_000) as u16
}

/// A channel may be installed when the terminal subscribed to it or to another variant of its product ([`same_product`]), or its designation
/// lets others in. Another product of a subscribed maker is another channel: nobody asked for it.
///
/// The agent asks the same question of every assignment, so that a service that was taken over cannot move a terminal.
pub fn accepts(row: &UserRow, channel: &Channel) -> bool {
    is_own(row, channel) || row.designation.allows_other(channel.maker())
}

/// Whether a channel is a variant of something that the terminal subscribed to, or that itself.
fn is_own(row: &UserRow, channel: &Channel) -> bool {
    row.subscribed.iter().any(|own| same_product(own, channel))
}

/// Whether two channels are one product, for different machines, as their maker says by naming them: `acme/scanner` and `acme/scanner--small`
/// are, and any two whose names agree before `--`. A name that a maker signs releases under is the maker's word, which no service can give.
pub fn same_product(a: &Channel, b: &Channel) -> bool {
    // By bytes, as a searcher for text takes longer to make than these few bytes to look through.
    fn product(channel: &Channel) -> &[u8] {
        let name = channel.name().as_bytes();
        &name[..name.windows(2).position(|pair| pair == b"--").unwrap_or(name.len())]
    }
    a.maker() == b.maker() && product(a) == product(b)
}

impl Prepared {
    /// Returns what a terminal shall run, ascending by channel, and why. `now` is in seconds since 1970.
    ///
    /// O(channels × (dangerous threats / 64 + what it runs)), but for words; reads no clock and no other state. Says nothing that only this
    /// terminal could be told, so that terminals with the same assignment can share one document.
    pub fn decide(&self, row: &UserRow, now: i64) -> Assignment {
        self.assign(row, now, &mut Silent)
    }

    /// The same decision with the rows, the questions and the candidates that led to it.
    pub fn explain(&self, terminal: &str, row: &UserRow, now: i64) -> Explanation {
        let mut trail = Trail::default();
        let assignment = self.assign(row, now, &mut trail);
        let (policy_name, policy) = self.policies.of(row.group.as_deref());
        Explanation {
            terminal: terminal.to_owned(),
            group: row.group.clone(),
            policy_name: policy_name.to_owned(),
            policy: policy.clone(),
            machine: row.machine.clone(),
            designation: row.designation.clone(),
            subscribed: row.subscribed.clone(),
            applied: applied(row),
            one_offs: row.one_offs.clone(),
            threats: self.rows_of(&trail.open),
            tried: trail.tried,
            candidates: trail.candidates,
            assignment,
        }
    }

    fn assign<T: Trace>(&self, row: &UserRow, now: i64, trace: &mut T) -> Assignment {
        let (_, policy) = self.policies.of(row.group.as_deref());
        let case = Case { tables: self, row, policy, now, scope: self.scope(policy.danger) };
        case.trace_one_offs(trace);
        let given = case.given();
        let assignment = case.channels_and_reason(&given, trace);
        case.hinted(case.with_given(assignment, &given), trace)
    }
}

/// One decision.
struct Case<'a> {
    tables: &'a Prepared,
    row: &'a UserRow,
    policy: &'a Policy,
    now: i64,
    /// The threats that count by this policy.
    scope: Scope,
}

impl<'a> Case<'a> {
    fn channels_and_reason<T: Trace>(&self, given: &[Target<'a>], trace: &mut T) -> Assignment {
        let product = self.product(given);
        let wishes = self.row.designation.wishes_updates();
        trace.tried(Rule::WishesUpdates, wishes, || self.row.designation.words());
        if !wishes {
            return self.keep(&product);
        }
        self.trace_product(&product, trace);
        let (kept, back) = self.without_superfluous(&product, trace);
        let cured = self.cures(&kept);
        let open = self.scope.without(&cured);
        trace.open(|| owned(&self.tables.names(&open)));
        let stuck = kept.iter().any(|target| target.why == Why::BlockedStuck);
        trace.tried(Rule::ProductCures, open.is_empty(), || {
            if open.is_empty() {
                return format!("no threat of danger {} or more is open", self.policy.danger);
            }
            format!("open are {}", self.tables.listed(&open))
        });
        if open.is_empty() && !stuck {
            return self.settled(&product, kept, back);
        }
        self.helped(&product, kept, back, &cured, &open, trace)
    }

    fn trace_product<T: Trace>(&self, product: &Product<'a>, trace: &mut T) {
        trace.tried(Rule::Fits, product.misfits.is_empty(), || match product.misfits.first() {
            Some(misfit) => none_fits(misfit),
            None => format!("its product is {}", listed(&names(&product.own))),
        });
        let all = product.all();
        let waits = all.iter().find(|target| target.why.reason().is_some());
        trace.tried(Rule::NewestIsOpen, waits.is_none() && product.missing.is_empty(), || {
            match (waits, product.missing.first()) {
                (Some(target), _) => target.why.words(target.channel),
                (None, Some((channel, why))) => why.words(channel),
                (None, None) => "the newest release of each channel is for it".to_owned(),
            }
        });
        let blocked = all.iter().find_map(|target| self.blocked_words(target));
        let free = blocked.is_none();
        trace.tried(Rule::NotBlocked, free, || blocked.unwrap_or_else(|| "nothing that it runs is blocked".to_owned()));
    }

    /// What the assignment says of time.
    fn hinted<T: Trace>(&self, mut assignment: Assignment, trace: &mut T) -> Assignment {
        if runs(self.row, &assignment.channels) {
            return assignment;
        }
        assignment.urgent = self.policy.urgent.is_some_and(|danger| self.cures_anew(&assignment.channels, danger));
        trace.tried(Rule::Urgent, assignment.urgent, || {
            let found = if assignment.urgent { "it cures a dangerous threat" } else { "it cures no dangerous threat" };
            format!("{found} that was open before")
        });
        let may_wait = !self.row.applied.is_empty() && !assignment.urgent && assignment.reason != Reason::Blocked;
        let freeze = self.policy.freeze_until.map(jiff::Timestamp::as_second);
        assignment.earliest = freeze.filter(|until| may_wait && *until > self.now);
        assignment
    }

    fn cures_anew(&self, channels: &[ChannelRelease], danger: Danger) -> bool {
        let scope = self.tables.scope(danger);
        let mut now = scope.empty();
        for at in channels {
            self.tables.add_cures(&mut now, at);
        }
        let mut before = scope.empty();
        for at in &self.row.applied {
            self.tables.add_cures(&mut before, at);
        }
        scope.any_in_first_only(&now, &before)
    }

    /// What these channels cure together, of the threats that count. A blocked release cures nothing.
    fn cures(&self, targets: &[Target<'a>]) -> Vec<u64> {
        let mut cured = self.scope.empty();
        for target in targets.iter().filter(|target| target.why != Why::BlockedStuck) {
            target.add_cures(&mut cured);
        }
        cured
    }
}

/// What the terminal runs, ascending by channel.
fn applied(row: &UserRow) -> Vec<ChannelRelease> {
    let mut applied = row.applied.clone();
    applied.sort_by(|a, b| a.channel.cmp(&b.channel));
    applied
}

/// Whether a terminal runs these releases, which ascend by channel, and no others.
fn runs(row: &UserRow, releases: &[ChannelRelease]) -> bool {
    // Most rows ascend already, and need not be copied to be compared.
    let ascends = row.applied.is_sorted_by(|a, b| a.channel <= b.channel);
    if ascends { row.applied == releases } else { applied(row) == releases }
}

/// Channels at their releases, ascending by channel.
fn releases(targets: &[Target<'_>]) -> Vec<ChannelRelease> {
    let at = |target: &Target<'_>| ChannelRelease { channel: target.channel.clone(), release: target.release };
    let mut releases = targets.iter().map(at).collect::<Vec<_>>();
    releases.sort_by(|a, b| a.channel.cmp(&b.channel));
    releases
}

fn names(targets: &[Target<'_>]) -> Vec<String> {
    targets.iter().map(|target| target.channel.to_string()).collect()
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// How many names are listed in words.
const SHOWN: usize = 5;

/// The first few names.
fn listed<S: std::fmt::Display>(names: &[S]) -> String {
    let shown = names.iter().take(SHOWN).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match names.len() {
        0 => "nothing".to_owned(),
        length if length > SHOWN => format!("{shown} and {} more", length - SHOWN),
        _ => shown,
    }
}

#[cfg(test)]
mod tests;

//! The way back: foreign channels go once they are no longer needed, and not before their time.

use super::product::{Product, Target, Why};
use super::trace::Trace;
use super::{Case, listed};
use crate::wire::Rule;

const DAY_SECONDS: i64 = 86_400;

impl<'a> Case<'a> {
    /// The channels without those foreign ones that need not stay, and why those go, in words.
    ///
    /// All of them go when the product cures all that everything together cures: then a switched terminal has its product back. Else those go one by
    /// one beside which they add nothing. Both shrink nothing that is cured.
    pub(super) fn without_superfluous<T: Trace>(
        &self,
        product: &Product<'a>,
        trace: &mut T,
    ) -> (Vec<Target<'a>>, Option<String>) {
        let all = product.all();
        if !product.expelled.is_empty() {
            let words = format!("{} is not accepted here any more, or does not fit this machine", listed(&product.expelled));
            trace.tried(Rule::Back, true, || words.clone());
            let kept = if product.foreign.is_empty() { product.alone() } else { all };
            return (kept, Some(words));
        }
        if product.foreign.is_empty() {
            return (all, None);
        }
        if let Some(words) = self.whole_way_back(product, &all, trace) {
            return (product.alone(), Some(words));
        }
        let (mut kept, mut gone) = (all, Vec::new());
        for foreign in &product.foreign {
            let rest = kept.iter().filter(|target| target.channel != foreign.channel).cloned().collect::<Vec<_>>();
            let adds = self.scope.any_in_first_only(&self.cures(&kept), &self.cures(&rest));
            if self.policy.back_when_caught_up && !rest.is_empty() && !adds && self.stay_is_over(foreign) {
                kept = rest;
                gone.push(foreign.channel);
            }
        }
        let back = (!gone.is_empty()).then(|| format!("the other channels cure all that {} was there for", listed(&gone)));
        trace.tried(Rule::Back, back.is_some(), || {
            back.clone().unwrap_or_else(|| "foreign channels are needed, or stay for a while".to_owned())
        });
        (kept, back)
    }

    /// Why a terminal goes back to its product alone, in words; `None` when it does not.
    fn whole_way_back<T: Trace>(&self, product: &Product<'a>, all: &[Target<'a>], trace: &mut T) -> Option<String> {
        let is_whole = !product.own.is_empty() && product.missing.is_empty() && product.misfits.is_empty();
        let is_blocked = product.own.iter().any(|target| target.why == Why::BlockedStuck);
        let over = product.foreign.iter().all(|foreign| self.stay_is_over(foreign));
        let shrinks = self.scope.any_in_first_only(&self.cures(all), &self.cures(&product.alone()));
        if !self.policy.back_when_caught_up || !is_whole || is_blocked || !over || shrinks {
            return None;
        }
        let foreign = product.foreign.iter().map(|target| target.channel).collect::<Vec<_>>();
        let words = format!("its own product cures by now all that {} does", listed(&foreign));
        trace.tried(Rule::Back, true, || words.clone());
        Some(words)
    }

    /// Whether a foreign channel was there for as long as the policy wants; a blocked one is not wanted at all.
    fn stay_is_over(&self, foreign: &Target<'a>) -> bool {
        let since = self.row.stays.iter().find(|(channel, _)| channel == foreign.channel).map(|(_, since)| *since);
        let least = i64::from(self.policy.minimum_stay_days) * DAY_SECONDS;
        foreign.why == Why::BlockedStuck || least == 0 || since.is_some_and(|since| self.now.saturating_sub(since) >= least)
    }
}

//! `0&(1|2)>1,2`: logical expressions.
//!
//! ```text
//! expression = term { ("&" | "|") term }
//! term       = number [compared] | "(" expression ")" [compared]
//! compared   = ("=" | "<" | ">") number ["," number]
//! ```
//!
//! Neither operator binds closer than the other. As clamscan reads it, an expression is split at its first operator, `0&1|2` being
//! `0&(1|2)`; but what stands in parentheses is split at its last, `(0&1|2&3)` being `((0&(1|2))&3)`.

use engine::expression::{Comparison, Expression};

use crate::diagnostic::{Code, Fault, quote};

pub(super) fn parse(text: &str) -> Result<Expression, Fault> {
    let mut parser = Parser { text: text.as_bytes(), at: 0, depth: 0 };
    let chain = parser.chain()?;
    if parser.peek().is_some() {
        return Err(parser.fault("something that cannot stand there"));
    }
    let expression = chain.split_first();
    if expression.depth() > Expression::DEPTH_MAX { Err(too_deep(text)) } else { Ok(expression) }
}

fn too_deep(text: &str) -> Fault {
    let message = format!("the expression {} is nested more than {} deep", quote(text), Expression::DEPTH_MAX);
    Fault::new(Code::NestingTooDeep, message)
}

/// Terms, and the operators between them.
struct Chain {
    first: Expression,
    rest: Vec<(u8, Expression)>,
}

impl Chain {
    /// Split at the first operator, the rest likewise.
    fn split_first(mut self) -> Expression {
        let Some((mut operator, mut right)) = self.rest.pop() else { return self.first };
        while let Some((before, left)) = self.rest.pop() {
            right = joined(operator, left, right);
            operator = before;
        }
        joined(operator, self.first, right)
    }

    /// As what stands in parentheses: split at the last operator, then as any.
    fn split_last(mut self) -> Expression {
        match self.rest.pop() {
            Some((operator, last)) => joined(operator, self.split_first(), last),
            None => self.first,
        }
    }
}

fn joined(operator: u8, left: Expression, right: Expression) -> Expression {
    if operator == b'&' { Expression::all([left, right]) } else { Expression::any([left, right]) }
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn fault(&self, what: &str) -> Fault {
        let text = String::from_utf8_lossy(self.text);
        let message = format!("the expression {} holds {what} at character {}", quote(&text), self.at + 1);
        Fault::new(Code::ExpressionInvalid, message)
    }

    /// The next character that is no space.
    fn peek(&mut self) -> Option<u8> {
        while self.text.get(self.at) == Some(&b' ') {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let taken = self.peek() == Some(byte);
        self.at += usize::from(taken);
        taken
    }

    fn chain(&mut self) -> Result<Chain, Fault> {
        let mut chain = Chain { first: self.term()?, rest: Vec::new() };
        while let Some(operator @ (b'&' | b'|')) = self.peek() {
            self.at += 1;
            chain.rest.push((operator, self.term()?));
        }
        Ok(chain)
    }

    fn term(&mut self) -> Result<Expression, Fault> {
        if !self.take(b'(') {
            let number =
                u8::try_from(self.number()?).ok().filter(|&number| usize::from(number) < Expression::SUBSIGNATURES_MAX);
            let number = number.ok_or_else(|| self.fault("a number of a subsignature above 63"))?;
            self.pass_over_list();
            return self.compared(Expression::Subsignature(number));
        }
        self.depth += 1;
        if self.depth > Expression::DEPTH_MAX {
            return Err(too_deep(&String::from_utf8_lossy(self.text)));
        }
        let chain = self.chain()?;
        self.depth -= 1;
        if !self.take(b')') {
            return Err(self.fault("no `)`"));
        }
        if chain.rest.is_empty() {
            if matches!(self.peek(), Some(b'=' | b'<' | b'>')) {
                return Err(self.fault("a comparison after parentheses around a single term"));
            }
            return Ok(chain.first);
        }
        self.compared(chain.split_last())
    }

    /// `,1-4` after the number of a subsignature means nothing to clamscan.
    fn pass_over_list(&mut self) {
        if self.take(b',') {
            while matches!(self.peek(), Some(b'0'..=b'9' | b'-')) {
                self.at += 1;
            }
        }
    }

    fn compared(&mut self, of: Expression) -> Result<Expression, Fault> {
        let comparison = match self.peek() {
            Some(b'=') => Comparison::Equal,
            Some(b'<') => Comparison::Less,
            Some(b'>') => Comparison::More,
            _ => return Ok(of),
        };
        self.at += 1;
        if comparison == Comparison::Equal {
            // `0==1` means what it says. In `0>=1` clamscan drops the `>`, which nobody wants.
            self.take(b'=');
        }
        let matches = self.number()?;
        let mut distinct = 0;
        if self.take(b',') && matches!(self.peek(), Some(b'0'..=b'9')) {
            distinct = self.number()?;
        }
        // There are no more subsignatures than 64, so more of them are as impossible as 255.
        let distinct = u8::try_from(distinct).unwrap_or(u8::MAX);
        Ok(Expression::Count { of: Box::new(of), comparison, matches, distinct })
    }

    fn number(&mut self) -> Result<u32, Fault> {
        let mut number: Option<u32> = None;
        self.peek();
        while let Some(digit @ b'0'..=b'9') = self.text.get(self.at).copied() {
            let next = number.unwrap_or(0).checked_mul(10).and_then(|tens| tens.checked_add(u32::from(digit - b'0')));
            number = Some(next.ok_or_else(|| self.fault("a number that is too large"))?);
            self.at += 1;
        }
        number.ok_or_else(|| self.fault("no number"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_bind_as_clamscan_has_them_bind() {
        for (text, expected) in [
            ("0", "0"),
            ("((0))", "0"),
            ("0&1&2", "(0&1&2)"),
            ("0&1|2", "(0&(1|2))"),
            ("0|1&2", "(0|(1&2))"),
            ("(0&1|2)", "((0&1)|2)"),
            ("(0|1&2)", "((0|1)&2)"),
            ("(0&1|2|3)", "((0&(1|2))|3)"),
            ("(0|1|2&3)", "((0|1|2)&3)"),
            ("(0&1|(2&3))", "((0&1)|(2&3))"),
            ("((0&1)|2&3)", "(((0&1)|2)&3)"),
            ("((0|1)&2|3)", "(((0|1)&2)|3)"),
            ("((0&1|2)&3)", "(((0&1)|2)&3)"),
        ] {
            assert_eq!(parse(text).map(|parsed| parsed.to_string()), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn comparisons() {
        for (text, expected) in [
            ("0>1", "0>1"),
            ("0==1", "0=1"),
            ("0=2,&1", "(0=2&1)"),
            ("(0|1)>2,2", "(0|1)>2,2"),
            ("(0|1)<3&2=0", "((0|1)<3&2=0)"),
            ("0 & ( 1 | 2 ) > 1 , 3 ", "(0&(1|2)>1,3)"),
            ("0,1-4&1,1-4", "(0&1)"),
            ("0&1,1-5&2=1", "(0&1&2=1)"),
            ("(0>1)&1", "(0>1&1)"),
            ("01&1", "(1&1)"),
        ] {
            assert_eq!(parse(text).map(|parsed| parsed.to_string()), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_no_expression() {
        let invalid = [
            "",
            "()",
            "0)",
            "(0",
            "0&",
            "&0",
            "0&&1",
            "x",
            "0&x",
            "!0&1",
            "0>",
            "0=",
            "0>=1",
            "0<=1",
            "0>-1",
            "0>1<3",
            "(0)>0",
            "((0|1))<2",
            "(0&1)>1>2",
            "64",
            "0>99999999999",
            "0 1",
            "0&1;",
        ];
        for text in invalid {
            assert_eq!(parse(text).map_err(|fault| fault.code), Err(Code::ExpressionInvalid), "{text}");
        }
    }

    #[test]
    fn deep_nesting_ends_early() {
        let deep = |open: usize| format!("{}0&1{}", "(".repeat(open), ")".repeat(open));
        assert!(parse(&deep(Expression::DEPTH_MAX - 1)).is_ok());
        for text in [deep(100), "(".repeat(32_000), (0..16_000).map(|i| ["0&", "0|"][i % 2]).collect::<String>() + "0"] {
            assert_eq!(parse(&text).unwrap_err().code, Code::NestingTooDeep);
        }
        assert!(parse(&vec!["0"; 16_000].join("&")).is_ok());
    }
}

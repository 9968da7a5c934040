//! JPEG files made to be costly: little in the file, much in the picture.

/// How a picture is made.
#[derive(Clone, Copy, Debug)]
pub struct Jpeg {
    /// Whether each scan refines the picture; otherwise each holds some of its components.
    pub progressive: bool,
    /// Pixels in a row.
    pub width: u16,
    /// Rows.
    pub height: u16,
    /// Components, 1 to 4.
    pub components: u8,
    /// Components in each scan.
    pub in_scan: u8,
    /// Scans.
    pub scans: usize,
    /// Bytes of zeros in each scan; eight bits are four blocks of one grey, or eight in a progressive one.
    pub scan_len: usize,
}

impl Jpeg {
    /// The file.
    pub fn bytes(self) -> Vec<u8> {
        let mut out = vec![0xff, 0xd8];
        let mut put = |marker: u8, body: &[u8]| {
            out.extend([0xff, marker]);
            out.extend((body.len() as u16 + 2).to_be_bytes());
            out.extend_from_slice(body);
        };
        put(0xdb, &[&[0][..], &[1; 64]].concat());
        let mut frame = vec![8];
        frame.extend([self.height, self.width].map(u16::to_be_bytes).concat());
        frame.push(self.components);
        (1..=self.components).for_each(|id| frame.extend([id, 0x11, 0]));
        put(if self.progressive { 0xc2 } else { 0xc0 }, &frame);
        // One code of one bit each: no difference, and the end of a block.
        for class in [0, 0x10] {
            put(0xc4, &[&[class, 1][..], &[0; 15], &[0]].concat());
        }
        let mut scan = vec![self.in_scan];
        (1..=self.in_scan).for_each(|id| scan.extend([id, 0]));
        scan.extend([0, if self.progressive { 0 } else { 63 }, 0]);
        let head = [&[0xff, 0xda][..], &(scan.len() as u16 + 2).to_be_bytes(), &scan].concat();
        for _ in 0..self.scans {
            out.extend_from_slice(&head);
            out.resize(out.len() + self.scan_len, 0);
        }
        out.extend([0xff, 0xd9]);
        out
    }
}

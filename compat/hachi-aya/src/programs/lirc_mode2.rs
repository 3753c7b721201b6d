//! Infrared receivers.

use super::*;

program! {
    /// A program that decodes what an infrared receiver gets.
    LircMode2, ProgramType::LircMode2
}
attachments!(LircMode2, LircLink, LircLinkId, "LircMode2");
load!(LircMode2);
of_fd!(LircMode2, LircLinkId, "an infrared device");
from_pin!(LircMode2);

import Testing

@testable import Presentation

/// No text of a pod's making is obeyed by the terminal that it is shown on.
@Suite struct VisibleTextTests {
    @Test(arguments: [
        ("plain ✓ ünïcode", "plain ✓ ünïcode"), ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\u{1b}[2Jpwn", "\\x1b[2Jpwn"), ("\u{1b}]0;title\u{7}", "\\x1b]0;title\\x07"), ("\r", "\\x0d"),
        ("\r\n", "\\x0d\n"), ("\u{7f}\u{9b}31m", "\\x7f\\x9b31m"), ("a\u{202e}b\u{2066}", "a\\u202eb\\u2066"),
        ("\u{61c}\u{200f}\u{2028}", "\\u061c\\u200f\\u2028"),
    ])
    func whatATerminalWouldObeyIsSpeltOut(_ text: String, _ shown: String) {
        #expect(text.visible() == shown)
        #expect(text.visible(isColored: true) == shown)
    }

    @Test func aProgramReadsTheSameFromJSON() {
        let json = "[\n \"\u{9b}2J \u{202e} \u{7f} é\"\n]"
        #expect(json.visibleJSON == "[\n \"\\u009b2J \\u202e \\u007f é\"\n]")
    }

    @Test func ourOwnColorsStayWhereTheyAreMeant() {
        let style = TextStyle(isColored: true)
        for text in [
            style.bold("x"), style.faint("x"), style.bad("x"), style.good("x"), style.warning("x"), style.note("x"),
        ] {
            #expect(text.visible(isColored: true) == text)
            #expect(!text.visible().contains("\u{1b}"))
        }
        #expect("\u{1b}[5m".visible(isColored: true) == "\\x1b[5m")
    }
}

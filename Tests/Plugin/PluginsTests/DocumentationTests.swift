import Foundation
import Plugins
import TestSupport
import Testing

@Suite struct DocumentationTests {
    /// With UPDATE_DOCS=1 in the environment the document is written anew instead.
    @Test func configurationReferenceSaysWhatTheDecodersRead() throws {
        let file = repository.appending(path: "docs/configuration.md")
        let marks = ("<!-- keys: from the decoders' tables -->\n", "<!-- end of keys -->")
        let text = try String(contentsOf: file, encoding: .utf8)
        let start = try #require(text.range(of: marks.0))
        let end = try #require(text.range(of: marks.1))
        let reference = ConfigurationReference.markdown
        if ProcessInfo.processInfo.environment["UPDATE_DOCS"] == "1" {
            try text.replacingCharacters(in: start.upperBound..<end.lowerBound, with: reference)
                .write(to: file, atomically: true, encoding: .utf8)
        } else {
            #expect(text[start.upperBound..<end.lowerBound] == reference, "UPDATE_DOCS=1 swift test writes it anew")
        }
    }
}

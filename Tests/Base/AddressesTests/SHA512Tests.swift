import Addresses
import Testing

@Suite struct SHA512Tests {
    static let longText = [
        "abcdefgh", "bcdefghi", "cdefghij", "defghijk", "efghijkl", "fghijklm", "ghijklmn",
        "hijklmno", "ijklmnop", "jklmnopq", "klmnopqr", "lmnopqrs", "mnopqrst", "nopqrstu",
    ].joined()

    /// The examples of FIPS 180-4: one block, and two.
    @Test(arguments: [
        (
            "abc",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                + "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
        ),
        (
            longText,
            "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018"
                + "501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909"
        ),
    ])
    func theStandardsExamples(_ text: String, _ digest: String) {
        #expect(base16(sha512(text)) == digest)
    }

    /// So many letters a, as sha512sum(1) has them: one octet more and less than where the padding changes.
    @Test(arguments: [
        (0, "cf83e1357eefb8bdf1542850"), (1, "1f40fc92da241694750979ee"), (110, "c825949632e509824543f7ea"),
        (111, "fa9121c7b32b9e01733d034c"), (112, "c01d080efd492776a1c43bd2"), (113, "55ddd8ac210a6e18ba1ee055"),
        (127, "828613968b501dc00a97e08c"), (128, "b73d1929aa615934e61a8715"), (129, "4f681e0bd53cda4b5a2041cc"),
        (239, "52c853cb8d907f3d4d6b889b"), (240, "4c296d90c61052a62ffb1dd1"), (241, "81bd43dcdb4d9a7bae6f4f3e"),
        (1000, "67ba5535a46e3f86dbfbed8c"),
    ])
    func everyLengthOfPadding(_ count: Int, _ beginning: String) {
        #expect(base16(sha512(String(repeating: "a", count: count))).hasPrefix(beginning))
    }
}

public import NetlinkCodec

extension ServiceReconciler {
    /// Where all of it stands; no other program's rules are in it.
    public static var table: NftTable { ServiceRuleset.table }
}

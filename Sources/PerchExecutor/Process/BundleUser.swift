// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchProcess
internal import PerchSDK

/// As whom bundle processes run.
package struct BundleUser: Sendable, Hashable {
    /// As it was written.
    package let name: String
    let account: ChildConditions.User
    /// Who it is, and where it is at home.
    let variables: [String: String]

    /// An account of this machine: `name`, `name:group`, or numbers in place of names.
    ///
    /// - Returns: Nil where it is the one of this process.
    /// - Throws: `PerchError` (`invalid`): there is no such account, or this process may start none of others.
    package static func find(_ text: String) throws -> BundleUser? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard (1...2).contains(parts.count), !parts.contains("") else {
            throw PerchError(.invalid, "bundle.user is '\(text.shown(60))'; it is written name or name:group")
        }
        let number = UInt32(parts[0])
        let entry: UnsafeMutablePointer<passwd>? = if let number { getpwuid(number) } else { getpwnam(parts[0]) }
        guard let user = entry?.pointee.pw_uid ?? number else {
            throw PerchError(.invalid, "bundle.user: there is no account '\(parts[0].shown(60))' on this machine")
        }
        let name = entry.map { String(cString: $0.pointee.pw_name) }
        let home = entry.map { String(cString: $0.pointee.pw_dir) }
        guard let group = try parts.count == 2 ? group(parts[1]) : entry?.pointee.pw_gid else {
            throw PerchError(.invalid, "bundle.user: the account \(user) has no entry here; write \(user):GROUP")
        }
        if geteuid() != 0 {
            if user == geteuid(), group == getegid() { return nil }
            throw PerchError(
                .invalid,
                "bundle.user is '\(text.shown(60))', but only root may start processes of others, and this one runs as uid "
                    + "\(geteuid()); run it as root, or take the setting away")
        }
        var variables: [String: String] = [:]
        if let name, let home { variables = ["HOME": home, "LOGNAME": name, "USER": name] }
        let account = ChildConditions.User(
            user: user, group: group, groups: name.map { groups(of: $0, group) } ?? [group])
        return BundleUser(name: text, account: account, variables: variables)
    }

    private static func group(_ text: String) throws -> UInt32 {
        if let number = UInt32(text) { return number }
        guard let entry = getgrnam(text) else {
            throw PerchError(.invalid, "bundle.user: there is no group '\(text.shown(60))' on this machine")
        }
        return entry.pointee.gr_gid
    }

    /// All groups of an account.
    private static func groups(of name: String, _ first: UInt32) -> [UInt32] {
        var count: Int32 = 64
        var groups = [gid_t](repeating: 0, count: Int(count))
        if getgrouplist(name, first, &groups, &count) < 0 {
            // There are more; now it has said how many.
            groups = [gid_t](repeating: 0, count: Int(max(count, 1)))
            guard getgrouplist(name, first, &groups, &count) >= 0 else { return [first] }
        }
        return Array(groups.prefix(Int(count)))
    }
}

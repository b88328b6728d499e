// SPDX-License-Identifier: Apache-2.0

internal import PerchProcess
internal import PerchSDK

/// What bundle processes may use, and what they find. The names of the settings are part of it, for what goes wrong is the
/// setting's.
package struct BundleConditions: Sendable, Hashable {
    /// `bundle.memory_limit`: bytes of private memory; nil: as much as there is.
    package var memoryLimit: UInt64?
    /// `bundle.nice`: what is added to the niceness of the engine.
    package var niceness = 0
    /// `bundle.working_directory`: where they start; nil: where the engine did.
    package var workingDirectory: String?
    /// `bundle.environment`: variables beside those of the engine; nil in place of a value takes one away.
    package var environment: [String: String?] = [:]
    /// `bundle.user`: as whom they run; nil: as the engine does.
    package var user: BundleUser?

    /// Like the engine's.
    package init(memoryLimit: UInt64? = nil) { self.memoryLimit = memoryLimit }

    /// What is wrong with a variable's name or value; nil where it is right. Values are never repeated.
    package static func problem(of name: String, _ value: String?) -> String? {
        let isName =
            name.utf8.first.map { !(0x30...0x39).contains($0) } == true
            && name.utf8.allSatisfy {
                ($0 | 0x20) >= 0x61 && ($0 | 0x20) <= 0x7A || (0x30...0x39).contains($0) || $0 == 0x5F
            }
        guard isName else { return "'\(name.shown(60))' is no name of a variable: it has letters, digits and '_'" }
        if name.hasPrefix("PERCH_") { return "'\(name.shown(60))' is Perch's own" }
        if value?.utf8.contains(0) == true { return "the value of '\(name.shown(60))' holds a zero byte" }
        return nil
    }

    /// The conditions of one process.
    var ofChild: ChildConditions {
        var conditions = ChildConditions()
        conditions.memory = memoryLimit
        conditions.niceness = niceness
        conditions.user = user?.account
        return conditions
    }

    /// Variables of the engine as a bundle is to find them.
    func applied(to variables: [String]) -> [String] {
        var own = environment
        if let user {
            for (name, value) in user.variables where own[name] == nil { own[name] = value }
        }
        let kept = variables.filter { own[String($0.prefix { $0 != "=" })] == nil }
        return kept + own.sorted { $0.key < $1.key }.compactMap { name, value in value.map { "\(name)=\($0)" } }
    }

    /// Which setting a failed start is about, with its value; nil where it is about none.
    func setting(of step: ChildConditions.Step) -> String? {
        switch step {
        case .start: nil
        case .memory: "bundle.memory_limit (\(memoryLimit ?? 0) bytes)"
        case .niceness: "bundle.nice (\(niceness))"
        case .user: "bundle.user (\(user?.name ?? ""))"
        case .directory: "bundle.working_directory"
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK
internal import PerchVault

struct SecretsCommandGroup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "secrets", abstract: "Look after the key that seals connections and secret variables.",
        subcommands: [SecretsRotateCommand.self, SecretsGenerateKeyCommand.self])
}

struct SecretsGenerateKeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate-key", abstract: "Print a new key, for secrets.key or a key file.")

    func run() throws {
        try Console.shared.line(KeyRing.newKey())
        try Console.shared.flush()
    }
}

struct SecretsRotateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate", abstract: "Seal everything anew with the first key.",
        discussion: """
            Put the new key in front of the old one, or give --new-key; then rotate; then the old one may go. It can be \
            interrupted and started again at any moment, and engines may go on running.
            """)

    @Flag(name: .long, help: "First put a new key in front of the others in the key file.") var newKey = false
    @OptionGroup var options: SecretOptions
    @OptionGroup var output: FormatOption

    func run() async throws {
        let newKey = newKey
        let (keyID, report) = try await options.withKeys { metastore, keys in
            if newKey { _ = try keys.addKey() }
            let ring = try keys.ringForSealing()
            var progress = ProgressBar("sealing anew", of: nil)
            defer { progress.finish() }
            return (ring.keyID, try await Rotation(metastore, ring).run { progress.advance(by: $0) })
        }
        try Listing.show(
            [
                "key_id": .text(keyID), "resealed": .number(report.resealed),
                "failed": .list(report.faults.map { .text($0) }),
            ], output.format)
        guard report.faults.isEmpty else {
            throw PerchError(
                .unavailable,
                "\(report.faults.count) could not be sealed anew; keep the old keys until each is set anew or deleted")
        }
    }
}

/// Seals what other keys open with the first one, a bounded number in a transaction.
struct Rotation {
    /// What became of it.
    struct Report: Sendable, Equatable {
        var resealed = 0
        /// Why some could not be opened.
        var faults: [String] = []
    }

    private let metastore: Metastore
    private let sealer: any Sealer
    private let most: Int

    /// - Parameter most: How many go into one transaction.
    init(_ metastore: Metastore, _ sealer: any Sealer, most: Int = 200) {
        self.metastore = metastore
        self.sealer = sealer
        self.most = most
    }

    /// - Parameter progress: Told after each transaction how many more it has gone through.
    func run(_ progress: (Int) -> Void = { _ in }) async throws -> Report {
        var report = Report()
        var last: SecretName?
        while true {
            let before = report.resealed + report.faults.count
            guard let next = try await step(after: last, &report) else { return report }
            progress(report.resealed + report.faults.count - before)
            last = next
        }
    }

    /// One transaction's worth behind a name. Gives the last name that it has seen; nil at the end.
    func step(after last: SecretName?, _ report: inout Report) async throws -> SecretName? {
        let (keyID, most) = (sealer.keyID, most)
        let found = try await metastore.read { try $0.sealedOtherwise(than: keyID, after: last, limit: most) }
        guard let end = found.last?.name else { return nil }
        var changes: [(name: SecretName, old: SealedValue, new: SealedValue)] = []
        for (name, value) in found {
            do throws(PerchError) {
                changes.append((name, value, try sealer.seal(try sealer.open(value, of: name), for: name)))
            } catch {
                report.faults.append(error.message)
            }
        }
        let work = changes
        report.resealed += try await metastore.write { transaction in
            try work.count { try transaction.reseal($0.name, from: $0.old, to: $0.new) }
        }
        return end
    }
}

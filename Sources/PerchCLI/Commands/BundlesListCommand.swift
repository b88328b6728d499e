// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Foundation
internal import PerchMetastore
internal import PerchSDK

struct BundlesListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "The bundles of a home: what is started, where that is settled, and how they are.")

    @OptionGroup var home: HomeOption
    @OptionGroup var settings: SettingsOption
    @OptionGroup var output: FormatOption

    /// What the metastore knows of bundles.
    private struct Known: Sendable {
        var workers: [WorkerRow] = []
        /// How many DAGs each has, and how many are left out.
        var dags: [String: Int] = [:]
        var errors: [String: Int] = [:]
    }

    func run() async throws {
        let home = try home.resolve()
        let places = try BundlePlace.all(in: home, try settings.read(home))
        let known = try await known(home)
        let there = Set(places.map(\.name))
        // Of these there is nothing here; their workers may have homes of their own.
        let elsewhere = Set(known.dags.keys).union(known.workers.map(\.terms.bundle)).subtracting(there)
        var listing = Listing(
            output.format,
            columns: [
                "bundle", "state", "dags", "import_errors", "workers", "origin", "version", "executable", "trouble",
            ])
        try listing.add(places.map { record($0.name, known, try facts($0)) })
        try listing.add(elsewhere.sorted().map { record($0, known, ["origin": .text("elsewhere")]) })
        try listing.finish(empty: "no bundle")
    }

    private func known(_ home: Home) async throws -> Known {
        guard try home.postgres() != nil || home.paths.state.hasMetastore else { return Known() }
        return try await self.home.withMetastore { _, metastore in
            try await metastore.read { snapshot in
                var known = Known()
                known.workers = try snapshot.workers().filter { $0.process.state(at: snapshot.now) == "active" }
                for dag in try snapshot.dags() where dag.isActive { known.dags[dag.bundle, default: 0] += 1 }
                for error in try snapshot.importErrors() { known.errors[error.bundle, default: 0] += 1 }
                return known
            }
        }
    }

    private func facts(_ place: BundlePlace) throws -> Record {
        let set = place.executable
        return [
            "origin": .text(place.origin),
            "version": .number(set == nil ? place.deployed.current.map { Int64($0) } : nil),
            "executable": .text(
                try set.map { try Home.absolute($0) } ?? place.deployed.executable
                    ?? (place.isDefault ? ProgramName.current : nil)),
            "versions": .number(try place.deployed.versions().count),
        ]
    }

    private func record(_ name: String, _ known: Known, _ facts: Record) -> Record {
        let workers = known.workers.filter { $0.terms.bundle == name }
        let trouble = workers.compactMap(\.trouble).first
        let state = workers.isEmpty ? "not running" : trouble == nil ? "running" : "in trouble"
        var record: Record = [
            "bundle": .text(name), "state": .text(state), "dags": .number(known.dags[name] ?? 0),
            "import_errors": .number(known.errors[name] ?? 0), "workers": .number(workers.count),
        ]
        let tail: Record = [
            "trouble": .text(trouble?.words), "trouble_count": .number(trouble?.count ?? 0),
            "trouble_since": .instant(trouble?.since),
        ]
        record.fields += facts.fields + tail.fields
        return record
    }
}

struct BundlesRemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Take a bundle out of a home: its processes end, and its DAGs are no bundle's.",
        discussion: """
            All versions of it that were deployed go. What runs may end for ten seconds. Its DAGs stay in the metastore, \
            inactive, with their runs, and another bundle that has one of them takes it up. The default bundle stays.
            """)

    @Argument(help: "The bundle's name, as `bundles list` shows it.") var name: String
    @OptionGroup var home: HomeOption
    @OptionGroup var settings: SettingsOption

    func validate() throws {
        if let problem = BundlePlace.problem(of: name) { throw ValidationError(problem) }
        if name == WorkerTerms.defaultBundle {
            throw ValidationError(
                "the default bundle is always there; `bundles rollback` goes back to an earlier version of it")
        }
    }

    func run() async throws {
        let home = try home.resolve()
        let place = BundlePlace(name, in: home, try settings.read(home))
        try BundleUse.requireDeployed(place)
        let isDeployed = FileManager.default.fileExists(atPath: place.deployed.directory)
        let name = name
        var count = 0
        // Nothing brings it up again from here on.
        if isDeployed { try FileManager.default.removeItem(atPath: place.deployed.directory) }
        if try home.postgres() != nil || home.paths.state.hasMetastore {
            count = try await self.home.withMetastore { _, metastore in
                try await metastore.write { transaction in
                    let count = try transaction.dags().count { $0.bundle == name && $0.isActive }
                    guard isDeployed || count > 0 else { return 0 }
                    try transaction.storeDAGs([], bundle: name, bundleVersion: "")
                    transaction.ringBundles()
                    try transaction.auditCommand("bundles remove", name)
                    return count
                }
            }
        }
        guard isDeployed || count > 0 else {
            throw PerchError(.notFound, "there is no bundle '\(name)'; `bundles list` shows those that there are")
        }
        try Console.shared.line("\(name) is removed; \(BundleChecks.count(count, "DAG")) of it is no bundle's any more")
        try Console.shared.flush()
    }
}

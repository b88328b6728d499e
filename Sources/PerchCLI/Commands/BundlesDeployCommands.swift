// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchExecutor
internal import PerchMetastore
internal import PerchSDK

struct BundlesDeployCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "deploy", abstract: "Put a new version of a bundle of a home beside the others, and use it.",
        discussion: """
            PATH is an executable, or a directory with one. It is copied into the home, tried (its hello and its DAGs), \
            and then put into use in one step: a running engine starts a process of it, in which everything begins from \
            then on; what runs ends in the old process, and what sleeps goes on with the new one. `bundles rollback` is \
            the way back. With --bundle it is a bundle beside the others of the home, with processes of its own; where \
            there was none of this name, it is there from then on.
            """)

    @Argument(help: "An executable, or a directory with one.", completion: .file()) var path: String
    @Option(
        name: .long, help: ArgumentHelp("The executable in a directory. Default: bundle.", valueName: "file"))
    var executable: String?
    @Option(name: .long, help: "How many versions are kept, beside the one in use.") var keep = 10
    @OptionGroup var bundle: BundleOption
    @OptionGroup var home: HomeOption
    @OptionGroup var settings: SettingsOption

    func validate() throws {
        if path.isEmpty { throw ValidationError("the path is empty; name an executable, or a directory with one") }
        if executable?.isEmpty == true { throw ValidationError("--executable is empty; name a file in the directory") }
        try checkedLimit(keep, "--keep")
    }

    func run() async throws {
        let home = try home.resolve()
        let place = BundlePlace(bundle.bundle, in: home, try settings.read(home))
        try BundleUse.requireDeployed(place)
        let (number, gone) = try place.deployed.deploy(
            path, executable: executable, under: try place.conditions(), keeping: keep,
            needed: Set(try await BundleUse.pinned(home, self.home, place.name).map(\.bundleVersion)))
        try await BundleUse.tell(home, self.home)
        try Console.shared.line("version \(number)\(BundleUse.words(of: place)) is in use")
        if gone > 0 { Console.shared.say("note: \(BundleChecks.count(gone, "older version")) removed") }
        try Console.shared.flush()
    }
}

struct BundlesRollbackCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rollback", abstract: "Use the version before the one in use, or another one that is kept.")

    @Argument(help: "The version, as `bundles versions` shows it. Default: the one before.") var version: Int?
    @OptionGroup var bundle: BundleOption
    @OptionGroup var home: HomeOption
    @OptionGroup var settings: SettingsOption

    func run() async throws {
        let home = try home.resolve()
        let place = BundlePlace(bundle.bundle, in: home, try settings.read(home))
        try BundleUse.requireDeployed(place)
        let bundle = place.deployed
        guard let current = bundle.current else {
            throw PerchError(
                .notFound,
                "nothing\(BundleUse.words(of: place)) was deployed to \(home.path); `bundles deploy PATH` does it")
        }
        let earlier = try bundle.versions().map(\.number).first { $0 < current }
        guard let number = version ?? earlier else {
            throw PerchError(.notFound, "version \(current) is the oldest one that is kept; there is none before it")
        }
        try bundle.use(number)
        try await BundleUse.tell(home, self.home)
        try Console.shared.line("version \(number)\(BundleUse.words(of: place)) is in use, \(current) was")
        try Console.shared.flush()
    }
}

struct BundlesVersionsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "versions", abstract: "The versions of a bundle of a home that are kept, the newest first.")

    @OptionGroup var bundle: BundleOption
    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func run() async throws {
        let place = try home.resolve()
        let bundle = DeployedBundle(place, bundle: self.bundle.bundle)
        let current = bundle.current
        let pinned = try await BundleUse.pinned(place, home, self.bundle.bundle)
        var listing = Listing(output.format)
        try listing.add(
            bundle.versions().map { version in
                let user = pinned.first { $0.bundleVersion == version.bundleVersion }
                return [
                    "version": .number(version.number),
                    "state": .text(version.number == current ? "in use" : "kept"),
                    "executable": .text(version.executable), "bundle_version": .text(version.bundleVersion),
                    "deployed_at": .instant(version.deployedAt), "by": .text(version.by),
                    // Runs of pinned DAGs that go on with it.
                    "needed_by": .number(user?.runs ?? 0), "first_run": .text(user.map { "\($0.dagID)/\($0.runID)" }),
                ]
            })
        try listing.finish(empty: "nothing was deployed to this home; `bundles list` names its bundles")
    }
}

/// What commands that change the version in use have in common.
enum BundleUse {
    /// Refuses where what is deployed would not be used.
    static func requireDeployed(_ place: BundlePlace) throws {
        guard let path = place.executable else { return }
        throw PerchError(
            .conflict,
            "\(place.setting("executable")) is set to \(path.shown(200)): the engine runs that file, and nothing that is deployed; "
                + "take the setting away first")
    }

    /// The versions of a bundle that runs go on with.
    static func pinned(_ home: Home, _ option: HomeOption, _ bundle: String) async throws -> [PinnedBundle] {
        guard try home.postgres() != nil || home.paths.state.hasMetastore else { return [] }
        return try await option.withMetastore { _, metastore in
            try await metastore.read { try $0.pinnedBundles(of: bundle) }
        }
    }

    /// Of which bundle something is, where it is not the default one.
    static func words(of place: BundlePlace) -> String { place.isDefault ? "" : " of \(place.name)" }

    /// Tells workers to look. Where there is no metastore yet there is nobody to be told.
    static func tell(_ home: Home, _ option: HomeOption) async throws {
        if try home.postgres() != nil || home.paths.state.hasMetastore {
            try await option.withMetastore { _, metastore in try await metastore.write { $0.ringBundles() } }
        }
        try home.noteMissingEngine("the next one that starts uses it")
    }
}

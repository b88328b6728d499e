// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import PerchExecutor
internal import PerchMetastore
internal import PerchSDK

/// A bundle of a home: its name, its settings, and where what is deployed of it lies.
struct BundlePlace: Sendable {
    let name: String
    /// Every setting as it holds for this bundle: those of `bundle` are its own.
    let settings: Configuration
    let deployed: DeployedBundle

    /// The bundle of a name, whether there is anything of it or not.
    init(_ name: String, in home: Home, _ configuration: Configuration) {
        self.name = name
        let isDefault = name == WorkerTerms.defaultBundle
        settings = isDefault ? configuration : configuration.of(bundle: name)
        deployed = DeployedBundle(home, bundle: name)
    }

    /// The bundles of a home: the default one, and by name those that have settings or of which something is deployed.
    /// - Throws: `PerchError` where the home cannot be read.
    static func all(in home: Home, _ configuration: Configuration) throws -> [BundlePlace] {
        let directory = home.paths.bundles
        var names = Set(configuration.bundleNames)
        if FileManager.default.fileExists(atPath: directory) {
            names.formUnion(
                try FileManager.default.contentsOfDirectory(atPath: directory).filter { problem(ofOther: $0) == nil })
        }
        return ([WorkerTerms.defaultBundle] + names.sorted()).map { BundlePlace($0, in: home, configuration) }
    }

    /// Whether it is the one that a home has where no other is named: this program, unless something else is set or deployed.
    var isDefault: Bool { name == WorkerTerms.defaultBundle }

    /// Whether it is this program that runs as the bundle.
    var isThisProgram: Bool { isDefault && executable == nil && deployed.current == nil }

    /// Whether there is anything to be started.
    var isThere: Bool { isDefault || executable != nil || deployed.current != nil }

    /// What the settings have started as the bundle.
    var executable: String? { settings.text("bundle.executable") }

    /// What the setting of a key is called.
    func setting(_ key: String) -> String {
        isDefault ? "bundle.\(key)" : "\(ConfigurationKey.bundlesSection).\(name).\(key)"
    }

    /// Where what is started is settled: a setting, a deploy, or nothing, which is this program.
    var origin: String {
        if executable != nil { return setting("executable") }
        return deployed.current != nil ? "deployed" : isDefault ? "this program" : "nothing"
    }

    /// Under which conditions its processes run.
    /// - Throws: `PerchError` (`invalid`) that names the bundle and the setting that cannot be kept.
    func conditions() throws -> BundleConditions {
        do {
            return try BundleConditions(settings)
        } catch let error as PerchError where !isDefault {
            throw PerchError(error.code, "the bundle '\(name)': \(error.message)")
        }
    }

    /// What is wrong with the name of a bundle; nil: nothing.
    static func problem(of name: String) -> String? {
        let first = name.utf8.first ?? 0
        let isRight =
            (1...50).contains(name.utf8.count) && (0x61...0x7A).contains(first) && !name.contains("__")
            && name.utf8.allSatisfy {
                (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || "_-".utf8.contains($0)
            }
        return isRight
            ? nil
            : "'\(name.shown(60))' is no name for a bundle: it has small letters, digits, '-' and '_', 50 at most, and begins "
                + "with a letter"
    }

    /// The same for one beside the default bundle.
    static func problem(ofOther name: String) -> String? {
        if name == WorkerTerms.defaultBundle {
            return "the settings of the bundle 'default' stand in the section 'bundle', not in 'bundles.default'"
        }
        return problem(of: name)
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Glibc
internal import PerchBundle
internal import PerchMetastore
internal import PerchSDK
internal import PerchYAML

/// Where the YAML files of DAGs are, for a bundle that has such.
struct DAGFolderPlace: Sendable {
    /// Absolute.
    let path: String
    /// Where the last good state of files is kept; nil: nowhere.
    let kept: String?

    /// Of a bundle and a home; nil where the bundle reads no files.
    /// - Throws: `PerchError` where the bundle is another executable that is not there, or a folder is set beside it.
    static func of(_ bundle: any DAGBundle.Type, _ home: Home, _ configuration: Configuration) throws -> DAGFolderPlace?
    {
        let given = configuration.text("core.dags_folder")
        if let executable = configuration.text("bundle.executable") {
            // Before anything is made.
            _ = try BundleExecutable(executable)
            guard given == nil else {
                throw PerchError(
                    .invalid,
                    "both bundle.executable and core.dags_folder are set: the DAGs are those of the executable, or those of "
                        + "the folder; leave one out")
            }
            return nil
        }
        guard bundle.readsDAGFolder else {
            if let given {
                Console.shared.say("note: core.dags_folder is '\(given)', but this executable reads no files")
            }
            return nil
        }
        return DAGFolderPlace(
            path: try given.map { try Home.absolute($0) } ?? home.paths.dags, kept: home.paths.keptDAGs)
    }

    var folder: DAGFolder { DAGFolder(path, keeping: kept) }
}

extension DAGFolder {
    /// All that a bundle has: the DAGs of its files beside its own.
    func contents(beside dags: [DAG]) -> BundleContents {
        let taken = Dictionary(dags.map { ($0.definition.dagID, "the executable") }) { first, _ in first }
        let read = read(taken: taken)
        return BundleContents(dags: dags + read.dags, version: read.version, importErrors: read.importErrors)
    }
}

/// `--dags`, for the commands that read YAML files.
struct DAGFolderOption: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "The folder of YAML files with DAGs. Default: core.dags_folder, else dags in the home.", valueName: "dir"))
    var dags: String?

    func validate() throws {
        if dags?.isEmpty == true { throw ValidationError("--dags is empty; name a folder") }
    }

    /// The setting that the option is short for.
    var assignments: [String] { dags.map { ["core.dags_folder=\($0)"] } ?? [] }

    /// Of a bundle, for commands that need no engine.
    func place(_ bundle: any DAGBundle.Type) throws -> DAGFolderPlace? {
        let environment = ProcessEnvironment.current
        let home = try Home(option: nil, environment: environment)
        let place = try DAGFolderPlace.of(
            bundle, home, try home.configuration(flags: assignments, environment: environment))
        // What an engine keeps is the engine's.
        return place.map { DAGFolderPlace(path: $0.path, kept: nil) }
    }
}

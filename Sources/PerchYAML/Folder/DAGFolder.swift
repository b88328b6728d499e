// SPDX-License-Identifier: Apache-2.0

internal import Glibc
public import PerchSDK

/// A folder of YAML files with DAGs in them. One that is wrong takes nothing from the others: it is an import error, and the
/// DAGs of its last good state stay until it is mended or removed.
public struct DAGFolder: Sendable {
    /// What is in the folder at a moment.
    public struct Contents: Sendable {
        /// In the order of the files' names.
        public var dags: [DAG] = []
        /// What is wrong in files, each with file, line and column.
        public var importErrors: [DeclarationProblem] = []
        /// Another one whenever something in the DAGs may be other.
        public var version = ""
    }

    /// The folder.
    public let path: String
    /// Where the last good state of each file is kept.
    private let kept: KeptFiles?
    /// A file that is longer is no file of DAGs, in bytes.
    static let longestFile = 4 << 20

    /// A folder.
    ///
    /// - Parameter keeping: A folder for the last good state of each file; nil: none is kept, and a file that is wrong has
    ///   no DAGs.
    public init(_ path: String, keeping: String? = nil) {
        self.path = path
        kept = keeping.map { KeptFiles($0) }
    }

    /// Reads every file.
    ///
    /// - Parameter taken: DAG ids that are not free, with who has them.
    public func read(taken: [String: String] = [:]) -> Contents {
        var contents = Contents()
        var taken = taken
        var hash = StableHash128()
        let listing = FolderListing(of: path)
        for fault in listing.faults {
            contents.importErrors.append(
                DeclarationProblem(file: fault.name, line: 1, column: 1, message: fault.message))
        }
        var names = listing.files.map(\.name)
        if listing.faults.isEmpty {
            kept?.forget(allBut: Set(names))
        } else {
            // What cannot be looked into now has not lost its files.
            names = Set(names + (kept?.names ?? [])).sorted()
        }
        let found = Set(listing.files.map(\.name))
        for name in names {
            let (text, problems) = found.contains(name) ? read(name) : (nil, [])
            var state = text.map { DAGFile($0, file: name) }
            var counted = text
            var errors = problems + (state?.problems ?? []) + conflicts(of: state, in: name, with: taken)
            if let text, errors.isEmpty {
                if let fault = kept?.keep(text, of: name) {
                    errors = [DeclarationProblem(file: name, line: 1, column: 1, message: fault)]
                }
            } else {
                // As it last was, unless that does not go with the others any more.
                let last = kept?.text(of: name)
                state = last.map { DAGFile($0, file: name) }
                counted = last
                if !conflicts(of: state, in: name, with: taken).isEmpty { state = nil }
            }
            contents.importErrors += errors
            hash.combine(name)
            hash.combine(counted ?? "")
            for dag in state?.dags ?? [] {
                taken[dag.definition.dagID] = "\(name):\(dag.place.line)"
                contents.dags.append(dag)
            }
        }
        contents.version = hash.text
        return contents
    }

    /// The text of a file, or why there is none.
    private func read(_ name: String) -> (text: String?, problems: [DeclarationProblem]) {
        func fault(_ message: String, line: Int = 1) -> (String?, [DeclarationProblem]) {
            (nil, [DeclarationProblem(file: name, line: line, column: 1, message: message)])
        }
        let bytes: [UInt8]
        do throws(FileFault) {
            bytes = try WholeFile.bytes(of: "\(path)/\(name)", longest: Self.longestFile)
        } catch {
            return fault(error.message)
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            let valid = String(decoding: bytes, as: UTF8.self).prefix { $0 != "\u{FFFD}" }
            return fault("the file is no UTF-8 text", line: valid.count { $0.isNewline } + 1)
        }
        return (text, [])
    }

    private func conflicts(
        of state: DAGFile?, in file: String, with taken: [String: String]
    ) -> [DeclarationProblem] {
        (state?.dags ?? []).compactMap { dag in
            let id = dag.definition.dagID
            return taken[id].map {
                DeclarationProblem(
                    file: file, line: dag.place.line, column: dag.place.column,
                    message: "the DAG id '\(id)' is taken by \($0); DAG ids are unique")
            }
        }
    }
}

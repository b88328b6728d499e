// SPDX-License-Identifier: Apache-2.0

package import PerchMetastore
internal import PerchOutputs
internal import PerchSDK
internal import Synchronization

/// Brings long outputs from the files of a home to where workers of other homes find them, and from there: through the
/// metastore that they share.
package final class OutputExchange: Sendable {
    private let metastore: Metastore
    private let store: FileOutputStore
    /// What was found to be right in this home, and is not read once more: many tasks may be given the same.
    private let known = Mutex<Set<OutputReference>>([])
    private static let mostKnown = 10_000

    /// What no second attempt mends.
    struct Fault: Error { var words: String }

    /// How long a piece is at most, in bytes, and how many of them go by one transaction.
    private static let largestPiece = 256 << 10
    private static let piecesATime = 4

    /// - Parameter directory: Where the home keeps its long outputs.
    package init(metastore: Metastore, directory: String) {
        self.metastore = metastore
        store = FileOutputStore(directory: directory)
    }

    /// Stores the file of an output in the metastore. When it returns the file is there as a whole, or the dispatch is not
    /// the current one any more, so that nothing will refer to it.
    ///
    /// - Throws: `Fault` where the file cannot be read; what the metastore throws.
    @concurrent func publish(_ output: String, of dispatch: DispatchReference) async throws {
        var names: Set<String> = []
        for reference in OutputText(output).references where names.insert(reference.name).inserted {
            let text: String
            do {
                text = try store.text(of: reference)
            } catch {
                throw Fault(words: "what it gave cannot be read: \(Self.words(error))")
            }
            let pieces = TextPieces.split(Array(text.utf8), most: Self.largestPiece)
            for first in stride(from: 0, to: pieces.count, by: Self.piecesATime) {
                let some = Array(pieces[first..<min(first + Self.piecesATime, pieces.count)])
                let isCurrent = try await metastore.write {
                    try $0.storeOutput(
                        reference.name, taskInstanceID: dispatch.taskInstanceID, dispatchID: dispatch.dispatchID,
                        from: first, some)
                }
                if !isCurrent { return }
            }
        }
    }

    /// Puts the files into the home that these outputs refer to, where they are missing and the metastore has them. What is
    /// to be found nowhere is left to who reads it.
    ///
    /// - Throws: `Fault` where the home cannot take them; what the metastore throws.
    @concurrent func fetch(_ outputs: [String]) async throws {
        var names: [String] = []
        var wanted: [String: [OutputReference]] = [:]
        for reference in outputs.flatMap({ OutputText($0).references }) where OutputPath.isRight(reference.name) {
            if wanted[reference.name] == nil { names.append(reference.name) }
            wanted[reference.name, default: []].append(reference)
        }
        for name in names {
            let references = wanted[name] ?? []
            if references.allSatisfy(isHere) { continue }
            guard let file = try await metastore.read({ try $0.sharedOutput(name) }) else { continue }
            do {
                for reference in references {
                    _ = try reference.text(inFile: file)
                }
                try store.write(file, as: name)
            } catch {
                throw Fault(words: "what it is given cannot be fetched: \(Self.words(error))")
            }
        }
    }

    private func isHere(_ reference: OutputReference) -> Bool {
        if known.withLock({ $0.contains(reference) }), store.reaches(reference) { return true }
        guard (try? store.text(of: reference)) != nil  // because one that is missing or damaged is fetched
        else { return false }
        known.withLock { known in
            if known.count >= Self.mostKnown { known = [] }
            known.insert(reference)
        }
        return true
    }

    private static func words(_ error: any Error) -> String { (error as? PerchError)?.message ?? "\(error)" }
}

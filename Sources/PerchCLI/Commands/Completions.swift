// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK

/// What a shell offers for arguments that name what the metastore has. A home that cannot be read has nothing to offer:
/// the shell is in the middle of a line, where there is no place for an error.
extension CompletionKind {
    /// Ids of DAGs.
    static var dags: CompletionKind {
        .custom { words, index, _ in
            CompletionRequest(words, index).names { snapshot, _ in try snapshot.dags().map(\.dagID) }
        }
    }

    /// Ids of the newest runs of the DAG that stands before.
    static var runs: CompletionKind {
        .custom { words, index, _ in
            CompletionRequest(words, index).names { snapshot, given in
                guard let dag = given.last else { return [] }
                return try snapshot.runs(dagID: dag, state: nil, limit: 200).map(\.runID)
            }
        }
    }

    /// Ids of the tasks of the run that stands before, after its DAG; of a DAG alone, its current tasks.
    static var tasks: CompletionKind {
        .custom { words, index, _ in
            CompletionRequest(words, index).names { snapshot, given in
                var version: Int64?
                if given.count >= 2 {
                    version = try snapshot.run(dagID: given[given.count - 2], runID: given[given.count - 1])?.versionID
                }
                if version == nil, let last = given.last { version = try snapshot.dag(last)?.versionID }
                return try version.map { try snapshot.definition(ofVersion: $0).tasks.map(\.taskID) } ?? []
            }
        }
    }

    /// Names of pools.
    static var pools: CompletionKind {
        .custom { words, index, _ in
            CompletionRequest(words, index).names { snapshot, _ in try snapshot.pools().map(\.name) }
        }
    }

    /// Keys of variables.
    static var variables: CompletionKind {
        .custom { words, index, _ in
            CompletionRequest(words, index).names { snapshot, _ in try snapshot.variables().map(\.key) }
        }
    }

    /// Ids of connections.
    static var connections: CompletionKind {
        .custom { words, index, _ in
            CompletionRequest(words, index).names { snapshot, _ in try snapshot.connections().map(\.connID) }
        }
    }
}

/// A line that a shell wants to complete.
struct CompletionRequest {
    /// The words before the one that is completed, without options.
    let given: [String]
    private let home: String?

    /// - Parameters:
    ///   - words: The line, from the program's name on.
    ///   - index: The place of the word that is completed.
    init(_ words: [String], _ index: Int) {
        var given: [String] = []
        var home: String?
        var isHome = false
        for word in words.prefix(max(0, index)) {
            if isHome {
                home = word
                isHome = false
            } else if word == "--home" {
                isHome = true
            } else if let value = word.wholeMatch(of: /--home=(.*)/)?.1 {
                home = String(value)
            } else if !word.hasPrefix("-") {
                given.append(word)
            }
        }
        self.given = given
        self.home = home
    }

    /// The names that the metastore has, or none.
    func names(_ body: (Snapshot, [String]) throws -> [String]) -> [String] {
        do {
            let home = try Home(option: home, environment: ProcessEnvironment.current)
            let metastore = try home.open()
            let now = SystemClock().now
            let names = try metastore.driver.read { try body(Snapshot(reading: $0, now: now), given) }
            try metastore.close()
            // What a terminal would obey is no word that a person could type.
            return names.filter { SafeText.neutralised($0) == $0 }
        } catch {
            return []
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// What a bundle has at a moment, where that is read from files and may change while it runs.
public struct BundleContents: Sendable {
    public var dags: [DAG]
    /// Another one whenever something in the DAGs may be other.
    public var version: String
    /// What is wrong in files, whose DAGs are left out or as they were.
    public var importErrors: [DeclarationProblem]

    /// Contents from their parts.
    public init(dags: [DAG], version: String, importErrors: [DeclarationProblem] = []) {
        self.dags = dags
        self.version = version
        self.importErrors = importErrors
    }
}

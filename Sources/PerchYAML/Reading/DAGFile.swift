// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// The DAGs of one file: each of its documents is one.
public struct DAGFile: Sendable {
    /// In the order of the documents; none where anything in the file is wrong.
    public let dags: [DAG]
    /// Everything that is wrong, in the order of places.
    public let problems: [DeclarationProblem]

    /// The most problems of one file that are told.
    private static let mostProblems = 20

    /// Reads a text.
    ///
    /// - Parameter file: Its name, as problems and the places of tasks have it.
    public init(_ text: String, file: String) {
        var dags: [DAG] = []
        var problems: [DeclarationProblem] = []
        do throws(YAMLProblem) {
            let documents = try YAMLDocument.all(in: text)
            if documents.isEmpty {
                problems.append(DeclarationProblem(file: file, line: 1, column: 1, message: "the file holds no DAG"))
            }
            for document in documents {
                let (read, found) = DAGReader.read(document, file: file)
                problems += found
                guard var dag = read else { continue }
                dag.source = .text(text, file: file)
                let id = dag.definition.dagID
                if let first = dags.first(where: { $0.definition.dagID == id }) {
                    problems.append(
                        DeclarationProblem(
                            file: file, line: document.place.line, column: document.place.column,
                            message: "the DAG id '\(id)' is taken in line \(first.place.line)"))
                }
                dags.append(dag)
            }
        } catch {
            problems.append(
                DeclarationProblem(
                    file: file, line: error.place.line, column: error.place.column,
                    message: error.message.shown(900)))
        }
        if problems.count > Self.mostProblems {
            let more = problems.count - Self.mostProblems
            problems = Array(problems.prefix(Self.mostProblems))
            let last = problems[problems.count - 1]
            problems.append(
                DeclarationProblem(
                    file: file, line: last.line, column: last.column, message: "and \(more) more behind this place"))
        }
        self.dags = problems.isEmpty ? dags : []
        self.problems = problems
    }
}

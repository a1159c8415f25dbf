package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/penstock/penstock/engine/diag"
	"github.com/penstock/penstock/engine/graph"
)

func newGraph(p process) *cobra.Command {
	var v variables
	format, only := string(graph.Text), ""
	c := &cobra.Command{
		Use:   "graph [FOLDER | WORKER.properties CONNECTOR.properties…]",
		Short: "Draw a project's pipelines and what is inside their tasks",
		Long: `graph compiles a project and prints how systems, pipelines and topics hang
together (the instance graph) and what a record passes inside each pipeline
(the task graphs: poll, transforms, converters). In formats other than text it
prints the instance graph, or the task graph that -pipeline names.`,
		Example: `  engine graph pipelines/quickstart
  engine graph -format mermaid          for a README
  engine graph -format dot -pipeline access-log pipelines/quickstart | dot -Tsvg > p.svg`,
		Args: projectArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			if !slices.Contains(graph.Formats(), graph.Format(format)) {
				return refusal(diag.New(diag.Usage, diag.Place{}, "-format is %q; it must be one of %s.%s", format,
					strings.Join(formats(), ", "), diag.DidYouMean(format, formats())))
			}
			pr, err := p.load(args, v)
			if err != nil {
				return err
			}
			return draw(p.out, pr.graph, graph.Format(format), only)
		},
	}
	v.flags(c.Flags())
	c.Flags().StringVar(&format, "format", format, "`FORM`: "+strings.Join(formats(), ", "))
	c.Flags().StringVar(&only, "pipeline", "", "draw the task graph of pipeline `NAME` only")
	return c
}

func formats() []string {
	var names []string
	for _, f := range graph.Formats() {
		names = append(names, string(f))
	}
	return names
}

func draw(w io.Writer, g *graph.Graph, f graph.Format, only string) error {
	if only != "" {
		i := g.Instance(only)
		if i == nil {
			var names []string
			for _, i := range g.Instances {
				names = append(names, i.Name)
			}
			return refusal(diag.New(diag.Usage, diag.Place{}, "There is no pipeline %q.%s", only, diag.DidYouMean(only, names)))
		}
		return graph.RenderTask(w, i, f)
	}
	if err := graph.Render(w, g, f); err != nil || f != graph.Text {
		return err
	}
	for _, i := range g.Instances {
		if _, err := fmt.Fprintf(w, "\nInside %s:\n\n", i.Name); err != nil {
			return err
		}
		if err := graph.RenderTask(w, i, f); err != nil {
			return err
		}
	}
	return nil
}

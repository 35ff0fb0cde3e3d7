package dispatch

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/verify"
	"sikkerpost.dk/gateway/internal/post"
)

// TestEachReasonToAskAPersonHasItsAdvice reads the calls of askPerson: whoever adds
// a reason says in letter's advices what it asks for.
func TestEachReasonToAskAPersonHasItsAdvice(t *testing.T) {
	reasons := map[string]bool{}
	for _, err := range []error{errForm, verify.ErrNotProven, post.ErrPermanent, fmt.Errorf("%w: %w", post.ErrPermanent, post.FaultNotPDF), errors.New("x"), unknownSigner(t)} {
		reasons[failureCode(err)] = true
	}
	for _, a := range []AddressAnswer{AddressUnknown, AddressDeceased, AddressAbroad, AddressUnsure} {
		reasons["address-"+string(a)] = true
	}
	named := map[string]string{"codeUnsure": codeUnsure, "codeDeadline": codeDeadline, "codeUndeclared": codeUndeclared, "codeCarrierGone": codeCarrierGone, "CodeStopped": batch.CodeStopped}
	calls := 0
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), e.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if f, ok := call.Fun.(*ast.SelectorExpr); !ok || f.Sel.Name != "askPerson" || len(call.Args) != 4 {
				return true
			}
			calls++
			arg := call.Args[3]
			if inner, ok := arg.(*ast.CallExpr); ok { // code(reason, the carrier's own word)
				arg = inner.Args[0]
			}
			switch a := arg.(type) {
			case *ast.BasicLit:
				word, err := strconv.Unquote(a.Value)
				if err != nil {
					t.Error(err)
				}
				reasons[word] = true
			case *ast.Ident, *ast.SelectorExpr:
				name, _ := a.(*ast.Ident)
				if s, ok := a.(*ast.SelectorExpr); ok {
					name = s.Sel
				}
				if word, ok := named[name.Name]; ok {
					reasons[word] = true
				} else if name.Name != "reason" { // of failureCode
					t.Errorf("%s: name the reason %s here", e.Name(), name.Name)
				}
			case *ast.BinaryExpr: // of an address
			default:
				t.Errorf("%s: a reason of a form that is not known here", e.Name())
			}
			return true
		})
	}
	if calls < 8 {
		t.Errorf("%d calls: the search is broken", calls)
	}
	for reason := range reasons {
		if letter.Advice(reason) == "" {
			t.Errorf("%s: nobody is told what it asks for", reason)
		}
	}
}
